"""A host with three instances and a foreign application: two instances have every service, one the REST API alone.

The gateway, the REST API and everything of PostgreSQL and systemd are real; the other programs are stood in for
(stand_ins/): each is a listener as its own user, with its own secrets, where the real one listens.
"""

from pathlib import Path
from typing import Any

from tests.host import Machine
from tests.keys import keypair
from tests.lab import Lab
from tests.project import on_machines

STAND_INS = Path(__file__).parent / "stand_ins"
INSTANCES: dict[str, Any] = {
    "prod": {"profile": "full"},
    # auth logs in with a password of its own
    "dev": {"profile": "full", "auth": {"database_socket": False}},
    "stage": {"database": {"name": "supabase_theatre", "user": "stager"}},
}
#: Another application of the host: a Unix user, a role of the same name with a password, a database, a private file.
SHOP = """
useradd --system shop
runuser -u postgres -- psql -Xqv ON_ERROR_STOP=1 -f - <<< "CREATE ROLE shop LOGIN PASSWORD 'shop-password';
    CREATE DATABASE shop OWNER shop;"
runuser -u shop -- psql -Xqv ON_ERROR_STOP=1 -c 'CREATE TABLE ledger (n int)' -c 'INSERT INTO ledger VALUES (1)'
install -d -m 0700 -o shop -g shop /var/lib/shop
install -m 0600 -o shop -g shop /dev/stdin /var/lib/shop/secret <<< 'of the shop'
useradd --system guest
"""


def complete(machine: Machine, directory: Path, body: str = "") -> Lab:
    """Nothing deployed yet. `body`: more of the host's own configuration."""
    for name in ("podman", "stand-in"):
        machine.put(f"/usr/local/bin/{name}", (STAND_INS / name).read_text(), "0755")
    machine.run(f"ln -s stand-in /usr/local/bin/auth; ln -s stand-in /usr/local/bin/imgproxy\n{SHOP}")
    project = on_machines(directory / "project", [machine], INSTANCES, keypair(directory / "keys", "operator"))
    lab = Lab(machine, project)
    lab.configure(body)
    return lab
