"""What a deploy would change, planned as deploy.py plans it, from what a host has already told."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pyinfra.api.facts import FactBase

from desired.answer import Pending
from desired.changes import Change
from desired.cluster_state import Absent, Observation
from desired.errors import HostStop, Stop
from desired.host_state import rebuild_reasons
from desired.orphans import check_orphans
from desired.tree import difference
from desired.units import unit_changes
from facts.module_tree import ModuleTree
from facts.postgresql import Cluster
from operations import build, databases, modules
from operations.site import Site
from workstation import sandbox, slot_file
from workstation.sandbox_server import SandboxServer

T = TypeVar("T")


@dataclass(frozen=True)
class LookedAt(Site):
    """A host that has told everything at once. `told`: fact, and the directory of a module tree, to its value."""

    told: Mapping[tuple[type[FactBase[Any]], str], Any] = field(default_factory=dict)

    def cluster(self) -> Observation:
        return self.fact(Cluster)

    def fact(self, kind: type[FactBase[T]], **arguments: Any) -> T:
        answer: T = self.told[kind, arguments.get("module_dir", "")]
        return answer

    def pending(self) -> Pending:
        """What a deploy would change. Where one instance's secrets stop it, the others are planned without that one."""
        try:
            return Pending(tuple(_changes(self)))
        except HostStop as stop:
            return Pending(None, {"": str(stop)})
        except Stop as stop:
            whole = str(stop)
        changes: list[Change] = []
        stops = {}
        for item in self.instances:
            try:
                changes += _changes(replace(self, only=item.name, _plans={}, _rotating={}))
            except Stop as stop:
                stops[item.name] = str(stop)
        return Pending(tuple(dict.fromkeys(changes)), stops or {"": whole})


def _changes(site: LookedAt) -> Iterator[Change]:
    """In the order of deploy.py. Raises what its operations raise."""
    host, found = site.host, site.fact(ModuleTree, module_dir=site.host.module_dir)
    nixos = host.system == "nixos"
    if nixos:
        check_orphans(host, found.tree.instances)
    else:
        yield from (Change(None, "create", f"sandbox {what}") for what in sandbox.missing())
    held = slot_file.read(site.project).get(host.name, {})
    yield from (Change(item.name, "create", f"slot {item.slot}") for item in site.instances if item.name not in held)
    yield from site.secrets().changes
    tree = modules.wanted(site, found) if site.only is None else site.tree()
    files = difference(tree, found.tree, whole=site.only is None).changes()
    if files:
        modules.check_place(site, found)
    yield from files
    reasons = rebuild_reasons(site.system(), tree) if nixos else ()
    if reasons:
        yield Change(None, "rebuild", "the system", "; ".join(reasons))
    if nixos:
        yield from build.missing_images(site)
    if not nixos and isinstance(site.fact(Cluster), Absent):
        exists = SandboxServer(host.postgresql_port, 0).exists()
        yield Change(None, "start" if exists else "create", "PostgreSQL server")
        if exists:  # what its databases need shows once it runs
            return
    yield from databases.plan(site, starting=bool(reasons) or not nixos).changes
    if nixos:
        system = site.system()
        running = site.running_tree() if reasons else None
        ready = (item.name for item in site.enabled if item.name not in system.ready)
        yield from (Change(name, "create", "marker database-ready") for name in ready)
        yield from unit_changes(host, site.instances, tree, running, system.units)
