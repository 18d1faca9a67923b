"""Give one secret of one instance a new value at once, and all that is made from it.

    pyinfra inventory.py tasks/update_secret.py --data instance=prod --data secret=jwt     (just supabase-update-secret prod jwt)

A hard cut: whoever has the old value is refused from then on; what it interrupts is said before the question. With
`--data stdin=true` the value is read from standard input (then with -y: the question would be answered from there too).
"""

from pyinfra.context import host, inventory

from operations import renewal
from operations.estate import named_site
from operations.steps import converge
from operations.stops import one_message

with one_message():
    site = named_site(inventory, host, ("secret", "stdin"))
    renewed = renewal.site(site, inventory.override_data) if site else None

if renewed is not None:
    converge(renewed)
