"""Rebuild, first half: the host builds its next system, and every secret is proven to open on it. Nothing is activated."""

from pyinfra.api.operation import operation
from pyinfra.context import host

from desired.changes import Change
from desired.host_state import rebuild_reasons
from facts.host_state import RunningSystem
from facts.script import run_script
from operations import host_lock
from operations.announce import announce
from operations.site import Site
from operations.stops import Commands, stops_host


@operation()
@stops_host
def build(site: Site) -> Commands:
    """The host has built the system that `activate` will switch to, if what it runs is not what is wanted."""
    system = host.get_fact(RunningSystem)
    reasons = rebuild_reasons(system, site.tree())
    if not reasons:
        host.noop("the running system is the wanted one")
        return
    announce(host, [Change(None, "rebuild", "the system", "; ".join(reasons))])
    yield from host_lock.hold(site, system.epoch)
    yield run_script("restore", "build", args=(site.host.data.module_dir, ""))
