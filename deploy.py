"""Bring every host to what group_data says.

    pyinfra inventory.py deploy.py                        converge
    pyinfra inventory.py deploy.py --dry --diff           show every change first (never with -y)
    pyinfra inventory.py deploy.py --data instance=prod   this instance only

    secrets      missing ones are made and encrypted here
    modules      the module tree is brought to the host
    build        the host builds its next system; every secret opens on it
    dumps        databases that a service of another version will migrate are dumped
    activate     the way back is armed, the system switched, databases brought forward, health seen
    report       what changed, instance by instance
"""

from pyinfra.context import host, inventory

from operations.estate import site_of
from operations.steps import converge
from operations.stops import one_message

with one_message():
    site = site_of(inventory, host)

if site is None:
    host.noop("no instance of this run lives here")
else:
    converge(site)
