"""An instance goes for good: entry, units, database, data, secrets, slot.

    pyinfra --dry inventory.py tasks/delete.py --data instance=dev                  what would go
    pyinfra inventory.py tasks/delete.py --data instance=dev --data confirm=dev     (just supabase-delete dev)
    ... --data keep_database=true         database, logins and /var/lib/supabase/dev stay, and the slot with them
    ... --data host=server.example.org    where several hosts have something of that name

The instance may be in group_data, or be left of one that was. Killed anywhere, it goes on when it is started again.
"""

from pyinfra.context import host, inventory

from operations import activate, build, removal
from operations.remains import removal_of
from operations.stops import one_message

with one_message():
    of = removal_of(inventory, host)

if of is None:
    host.noop("this host has nothing to do with it")
else:
    removal.confirm(name="Confirmed", of=of)
    removal.entry(name="Entry in group_data", of=of)
    removal.files(name="Modules", of=of)
    if of.nixos:
        build.build(name="Build", site=of.site)
        activate.activate(name="Activate: system, health of the others", site=of.site)
    removal.database(name="Database", of=of)
    removal.data(name="Data", of=of)
    removal.secrets(name="Secrets", of=of)
    removal.slot(name="Slot", of=of)
    removal.report(name="Report", of=of)
