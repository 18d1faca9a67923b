"""What is left of an instance that is to go, on its host and in the project, and what taking it away would change."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pyinfra.api.host import Host as PyinfraHost
from pyinfra.api.inventory import Inventory

from desired import removal
from desired.changes import Change
from desired.cluster_state import Absent, Observation
from desired.errors import HostStop, Invalid, Mistake
from desired.estate import Estate
from desired.host_state import rebuild_reasons
from desired.removal import Asked
from desired.units import unit_stops
from facts.module_tree import ModuleTree, TreeOnHost
from facts.postgresql import Cluster
from facts.remains import Left, Remains
from operations import sandbox
from operations.estate import estate_of, held_slots, host_inputs
from operations.site import Site, project
from workstation import group_file, secret_removal, slot_file
from workstation.group_file import Edit
from workstation.secret_store import SecretStore


@dataclass(frozen=True)
class Removal:
    """`site`: the host as it is without the instance. `secrets`: whether the project's secrets of it go with this host."""

    asked: Asked
    site: Site
    edit: Edit | None
    secrets: bool
    known: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.asked.name

    @property
    def nixos(self) -> bool:
        return self.site.host.system == "nixos"

    @property
    def slot(self) -> int | None:
        return slot_file.read(self.site.project).get(self.site.host.name, {}).get(self.name)

    @property
    def session(self) -> str:
        return self.site.superuser if self.nixos else sandbox.superuser(self.site)

    def found(self) -> TreeOnHost:
        return self.site.fact(ModuleTree, module_dir=self.site.host.module_dir)

    def cluster(self) -> Observation:
        observed = self.site.fact(Cluster, session=self.session, databases=())
        if self.nixos and isinstance(observed, Absent) and self.site.system().revision is not None:
            raise HostStop(f"PostgreSQL should run on this host but does not: {observed.reason}; see systemctl status postgresql")
        return observed

    def reasons(self) -> tuple[str, ...]:
        """Why the host is rebuilt."""
        return rebuild_reasons(self.site.system(), self.site.tree()) if self.nixos else ()

    def entry_changes(self) -> tuple[Change, ...]:
        return (Change(self.name, "remove", f"entry in {self.edit.file}"),) if self.edit else ()

    def file_changes(self) -> tuple[Change, ...]:
        return tuple(Change(self.name, "remove", f"file {path}") for path in removal.tree_files(self.name, self.found().tree))

    def cluster_changes(self) -> tuple[Change, ...]:
        return () if self.asked.keep_database else removal.cluster_changes(self.name, self.cluster())

    def stops(self) -> tuple[Change, ...]:
        """The units that no rebuild stops."""
        return () if not self.nixos or self.reasons() else unit_stops(self.name, self.site.system().units)

    def data_changes(self) -> tuple[Change, ...]:
        left = self.site.fact(Remains, instance=self.name) if self.nixos else Left()
        marker = (Change(self.name, "remove", "marker database-ready"),) if left.marker else ()
        kept = "/var/lib/" if self.asked.keep_database else "-"
        gone = (Change(self.name, "remove", f"directory {path}") for path in left.directories if not path.startswith(kept))
        return (*self.stops(), *marker, *gone)

    def secret_changes(self) -> tuple[Change, ...]:
        return secret_removal.changes(self.site.store, self.name) if self.secrets else ()

    def slot_changes(self) -> tuple[Change, ...]:
        slot = None if self.asked.keep_database else self.slot
        return () if slot is None else (Change(self.name, "remove", f"slot {slot}"),)

    def is_left(self) -> bool:
        """Whether there is anything to take away."""
        changes = (*self.entry_changes(), *self.file_changes(), *self.data_changes(), *self.secret_changes())
        asleep = not self.nixos and sandbox.asleep(self.site)
        return bool(changes or self.reasons() or asleep or self.cluster_changes() or self.slot_changes())


def removal_of(inventory: Inventory, host: PyinfraHost) -> Removal | None:
    """What `--data` asks for; None on hosts that have nothing to do with it.

    Raises Invalid, and Stop with what to remove by hand where group_data is not a plain file: before anything is touched.
    """
    asked, homes, estate, edits = _planned(inventory)
    name = str(host.name)
    if name not in homes:
        return None
    mine = estate.host(name)
    if mine is None:
        problem = f"{name} may have {asked.name}, but has no `instances` there; give its group a file with  instances = {{}}"
        raise Invalid([Mistake("group_data", "instances", problem)])
    store = SecretStore(project(mine.system), mine.secrets_dir, mine.identity)
    named = {item.name for item in estate.instances}
    site = Site(mine, asked.name, store, removed=frozenset({asked.name}))
    return Removal(asked, site, edits.get(name), name == homes[0] and asked.name not in named, tuple(sorted(named)))


@cache
def _planned(inventory: Inventory) -> tuple[Asked, tuple[str, ...], Estate, dict[str, Edit]]:
    """Once a process, like the estate of other runs. Edits by host."""
    asked = removal.asked(inventory.override_data)
    inputs = host_inputs(inventory)
    homes = removal.homes(inputs, held_slots(inputs), asked)
    edits = {}
    for home in homes:
        if (file := removal.entry_file(inputs, asked.name, home)) is not None:
            edits[home] = group_file.removing(Path.cwd(), file, asked.name)
            inputs = removal.without(inputs, asked.name, file)
    return asked, homes, estate_of(inputs), edits
