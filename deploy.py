"""Bring every host to what group_data says.

    pyinfra inventory.py deploy.py                        converge
    pyinfra inventory.py deploy.py --dry --diff           show every change first (never with -y)
    pyinfra inventory.py deploy.py --data instance=prod   this instance only

Every step is one operation a host and a no-op when nothing is to do.
"""

from pyinfra.context import host, inventory

from operations import activate, build, modules, report, sandbox, secrets
from operations.estate import site_of
from operations.stops import one_message

with one_message():
    site = site_of(inventory, host)

if site is None:
    host.noop("no instance of this run lives here")
else:
    secrets.ensure(name="Secrets", site=site)
    modules.install(name="Modules", site=site)
    if site.host.data.system == "sandbox":
        sandbox.converge(name="Databases", site=site)
    else:
        build.build(name="Build", site=site)
        activate.activate(name="Activate: system, databases, health", site=site)
    report.report(name="Report", site=site)
