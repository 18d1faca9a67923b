"""Defaults of every host and instance. A group's own file wins, key by key; docs/instances.md lists every key."""

instance_defaults: dict[str, object] = {}
