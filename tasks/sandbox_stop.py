"""Stop the sandbox's PostgreSQL; everything stays.     pyinfra inventory.py tasks/sandbox_stop.py   (just sandbox-stop)"""

from pyinfra.context import host, inventory

from operations import sandbox
from operations.estate import site_of
from operations.stops import one_message

with one_message():
    site = site_of(inventory, host)

if site is not None and site.host.system == "sandbox":
    sandbox.stop(name="Stop", site=site)
