"""An instance goes for good: entry, units, database, data, secrets, slot.

    pyinfra --dry inventory.py tasks/delete.py --data instance=dev                  what would go
    pyinfra inventory.py tasks/delete.py --data instance=dev --data confirm=dev     (just supabase-delete dev)
    ... --data keep_database=true         database, logins and /var/lib/supabase/dev stay, and the slot with them
    ... --data host=server.example.org    where several hosts have something of that name

The instance may be in group_data, or be left of one that was. Killed anywhere, it goes on when it is started again.
"""

from pyinfra.context import host, inventory

from operations.removal import removal_of
from operations.steps import take_away
from operations.stops import one_message

with one_message():
    removal = removal_of(inventory, host)

if removal is None:
    host.noop("this host has nothing to do with it")
else:
    take_away(removal)
