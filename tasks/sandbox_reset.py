"""Forget the sandbox: databases, secrets, keys and slots.  pyinfra inventory.py tasks/sandbox_reset.py   (just sandbox-reset)"""

from pyinfra.context import host, inventory

from operations import sandbox
from operations.estate import site_of
from operations.stops import one_message

with one_message():
    site = site_of(inventory, host)

if site is not None and site.host.system == "sandbox":
    sandbox.reset(name="Reset", site=site)
