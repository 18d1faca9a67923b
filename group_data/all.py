"""Defaults of every host and instance. A group's own file wins, key by key; docs/instances.md lists every key."""

# One pin of each host's identity: SSH checks this file, and the secrets are encrypted to the key in it.
ssh_known_hosts_file = "known_hosts"
ssh_strict_host_key_checking = "yes"

instance_defaults: dict[str, object] = {}
