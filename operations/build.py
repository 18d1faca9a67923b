"""Rebuild, first half: the host builds its next system, every secret is proven to open on it, and the images that its
containers run from are pulled. Nothing is activated."""

from pyinfra.api.operation import operation
from pyinfra.context import host

from desired.changes import Change
from desired.host_state import rebuild_reasons
from desired.images import needed, pulls
from desired.tree import Tree
from desired.units import whole
from facts.images import Images
from facts.module_tree import ModuleTree
from facts.script import run_script
from operations import host_lock
from operations.announce import announce, note
from operations.site import Site
from operations.stops import Commands, stops_host
from workstation.templates import image_references, images


@operation()
@stops_host
def build(site: Site) -> Commands:
    """The host has built the system that `activate` will switch to, if what it runs is not what is wanted."""
    system = site.system()
    reasons = rebuild_reasons(system, site.tree())
    missing = missing_images(site)
    if not reasons and not missing:
        host.noop("the running system is the wanted one")
        return
    if system.returned:
        note(host, f"! the last run was not confirmed; the host {system.returned}")
    rebuild = [Change(None, "rebuild", "the system", "; ".join(reasons))] if reasons else []
    announce(host, [*rebuild, *missing])
    yield from host_lock.hold(site, system.epoch)
    if not reasons:
        yield host_lock.step(host, run_script("pull", "pulled"))
        return
    args = (site.host.module_dir, site.host.flake or "", host_lock.epoch_of(host), *_parts(site.tree()))
    yield host_lock.step(host, run_script("restore", "pull", "build", args=args))


def missing_images(site: Site) -> tuple[Change, ...]:
    """Of every instance that the built system will hold, those of other runs too."""
    there = site.fact(ModuleTree, module_dir=site.host.module_dir).tree.instances
    wanted = {item.name: item.option for item in site.instances}
    options = [whole(name, option) for name, option in {**there, **wanted}.items() if name not in site.removed]
    present = site.fact(Images, references=image_references())
    return pulls(needed(options, images()), present)


def _parts(tree: Tree) -> tuple[str, ...]:
    """What the built system's `/etc/supabase/revision` must hold, and after a `!` the instances that the system must not
    have; those that are not of this run do not count."""
    revision = tree.revision()
    digests = {"module": revision.module, "cluster": revision.cluster, **revision.instances}
    return (*(f'"{name}":"{digest}"' for name, digest in digests.items()), *(f"!{name}" for name in sorted(tree.removed)))
