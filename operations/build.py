"""Rebuild, first half: the host builds its next system, and every secret is proven to open on it. Nothing is activated."""

from pyinfra.api.operation import operation
from pyinfra.context import host

from desired.changes import Change
from desired.host_state import rebuild_reasons
from desired.tree import Tree
from facts.script import run_script
from operations import host_lock
from operations.announce import announce, note
from operations.site import Site
from operations.stops import Commands, stops_host


@operation()
@stops_host
def build(site: Site) -> Commands:
    """The host has built the system that `activate` will switch to, if what it runs is not what is wanted."""
    system = site.system()
    reasons = rebuild_reasons(system, site.tree())
    if not reasons:
        host.noop("the running system is the wanted one")
        return
    if system.returned:
        note(host, f"! the last run was not confirmed; the host {system.returned}")
    announce(host, [Change(None, "rebuild", "the system", "; ".join(reasons))])
    yield from host_lock.hold(site, system.epoch)
    args = (site.host.data.module_dir, site.host.data.flake or "", host_lock.epoch_of(host), *_parts(site.tree()))
    yield host_lock.step(host, run_script("restore", "build", args=args))


def _parts(tree: Tree) -> tuple[str, ...]:
    """What the built system's `/etc/supabase/revision` must hold, and after a `!` the instances that the system must not
    have; those that are not of this run do not count."""
    revision = tree.revision()
    digests = {"module": revision.module, "cluster": revision.cluster, **revision.instances}
    return (*(f'"{name}":"{digest}"' for name, digest in digests.items()), *(f"!{name}" for name in sorted(tree.removed)))
