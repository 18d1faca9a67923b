"""Dumps: a database is dumped on its host before a service of another version starts there and migrates it.

Migrations do not go back: from the activation on, what is undone by the way back is the system, never what has become of a
database. See docs/decisions/0007-no-way-back-past-a-migration.md.
"""

from collections.abc import Iterator

from pyinfra import logger
from pyinfra.api.command import FunctionCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State
from pyinfra.context import host

from desired.cluster_state import Observed
from desired.host_state import rebuild_reasons
from facts.script import run_script
from operations import databases, host_lock
from operations.announce import announce
from operations.connection import run
from operations.site import Site
from operations.stops import Commands, stops_host


@operation()
@stops_host
def dump(site: Site) -> Commands:
    """Every database whose services change version has a dump of before."""
    system = site.system()
    # Without another system no other service starts.
    plan = databases.plan(site) if rebuild_reasons(system, site.tree()) else None
    asked = tuple(_asked(site, plan)) if plan else ()
    if plan is None or not asked:
        host.noop("no service changes its version")
        return
    announce(host, (upgrade.change for upgrade in plan.upgrades))
    yield from host_lock.hold(site, system.epoch)
    yield FunctionCommand(_dump, (site, asked), {})


def _asked(site: Site, plan: databases.Plan) -> Iterator[str]:
    """`INSTANCE DATABASE SERVICES` of what is on the host. Whether auth is another one, only the built system says: it is that of
    the host's nixpkgs, for instances of other runs too."""
    there = plan.observed.databases if isinstance(plan.observed, Observed) else {}
    for item in site.host.instances:
        services = [upgrade.service for upgrade in plan.upgrades if upgrade.instance == item.name]
        services += ["auth"] if item.enable and item.services["auth"] else []
        if services and item.database in there:
            yield from (item.name, item.database, " ".join(services))


def _dump(state: State, host: Host, site: Site, asked: tuple[str, ...]) -> bool:
    args = (site.host.module_dir, host_lock.epoch_of(host), str(site.host.postgresql_port), *asked)
    success, lines = run(host, host_lock.step(host, run_script("restore", "dump", args=args)))
    for line in lines:
        (logger.info if success else logger.error)(f"{host.print_prefix}{line}")
    return success
