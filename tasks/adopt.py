"""Take over secrets of one instance that were edited or rekeyed with the agenix CLI, after a check.

    pyinfra inventory.py tasks/adopt.py --data instance=prod      (just supabase-adopt prod)

Needs an operator's identity, because what was changed is opened. A converge brings the result to the host.
"""

from pyinfra.context import host, inventory

from operations import secrets
from operations.estate import site_of
from operations.stops import one_message

with one_message():
    site = site_of(inventory, host)

if site is not None:
    secrets.adopt(name="Adopt", site=site)
