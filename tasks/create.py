"""A new instance: its entry in group_data, its secrets, its database, its units, until it answers.

    pyinfra inventory.py tasks/create.py --data instance=prod                          (just supabase-create prod)
    pyinfra inventory.py tasks/create.py --data instance=prod --data subdomain=api     (just supabase-create prod api)
    ... --data host=server.example.org                  where several hosts could take it

Killed anywhere, it goes on when it is started again; an instance that is there is brought to what group_data says.
"""

from pyinfra.context import host, inventory

from operations import creation
from operations.steps import converge
from operations.stops import one_message

with one_message():
    created = creation.creation_of(inventory, host)

if created is None:
    host.noop("the instance goes to another host")
else:
    creation.entry(name="Entry in group_data", created=created)
    converge(created.site)
    creation.told(name="Where it is", created=created)
