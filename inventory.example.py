"""A real host: copy this file over inventory.py, and group_data/homelab.example.py to group_data/homelab.py.

The group's name is the name of its file in group_data. `known_hosts` is the one pin of the host's identity: SSH checks
it, and the secrets are encrypted to it. `just known-host HOST` records it and shows the fingerprint to compare.
"""

from operations.transport import no_delay

homelab = [
    (
        "server.example.org",
        {
            "ssh_user": "root",
            "ssh_paramiko_connect_kwargs": {"transport_factory": no_delay},
        },
    ),
]
