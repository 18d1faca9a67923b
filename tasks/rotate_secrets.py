"""Give one instance new secrets without a failed request.

    pyinfra inventory.py tasks/rotate_secrets.py --data instance=prod      (just supabase-rotate-secrets prod)

The new signing secret and API keys reach every verifier first, then they become current; the old ones are accepted until the
window ends (`--data window=HOURS`), and a converge after that retires them, or `--data retire_now=true` at once. What cannot
overlap changes with the second stage, and what that interrupts is said beforehand. Interrupted anywhere, the next run goes on.
"""

from pyinfra.context import host, inventory

from operations import rotation
from operations.estate import named_site
from operations.steps import converge
from operations.stops import one_message

with one_message():
    site = named_site(inventory, host, ("window", "retire_now"))
    stages = rotation.stages(site, inventory.override_data) if site else ()

if stages:
    converge(*stages)
