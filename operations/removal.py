"""An instance is taken away for good. Each step finds what an earlier run has left of it.

    entry      out of group_data first, so that nothing brings it back
    modules    its files leave the module tree
    build, activate   the system without it, with the way back armed: its units stop, its users go; all others must answer
    database   connections are ended; database and logins are dropped
    data       its directories
    secrets    files, sidecars, rules
    slot       free only once a look at the host shows nothing of it
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pyinfra.api.command import FunctionCommand, StringCommand
from pyinfra.api.host import Host as PyinfraHost
from pyinfra.api.inventory import Inventory
from pyinfra.api.operation import operation
from pyinfra.api.state import State
from pyinfra.context import host, state

from desired import removal
from desired.changes import Change
from desired.cluster_state import Absent, Observation
from desired.errors import HostStop, Invalid, Mistake, Stop
from desired.estate import Estate
from desired.host_state import check_targeted, rebuild_reasons, require_nixos
from desired.removal import Asked
from desired.shown import suggestion
from desired.units import unit_stops
from facts.host_state import RunningSystem
from facts.module_tree import ModuleTree, TreeOnHost
from facts.postgresql import Cluster
from facts.remains import Left, Remains
from facts.script import run_script
from operations import creation, host_lock, modules, sandbox
from operations.announce import announce, announced, note
from operations.estate import estate_of, held_slots, host_inputs
from operations.site import Site, project
from operations.stops import Commands, fail, stops_host
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
        return self.site.host.data.system == "nixos"

    @property
    def slot(self) -> int | None:
        return slot_file.read(self.site.project).get(self.site.host.name, {}).get(self.name)

    @property
    def session(self) -> str:
        return self.site.superuser if self.nixos else sandbox.superuser(self.site)

    def found(self) -> TreeOnHost:
        return self.site.fact(ModuleTree, module_dir=self.site.host.data.module_dir)

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
    store = SecretStore(project(mine.data.system), mine.data.secrets_dir, mine.data.identity)
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


@operation()
@stops_host
def confirm(of: Removal) -> Commands:
    """Nothing is touched that was not asked for twice, nor where a later step would have to stop."""
    if not of.is_left():
        host.noop(f"nothing is left of {of.name}")
        return
    if of.nixos:
        require_nixos(of.site.host.name, of.site.system())
        if of.reasons():
            check_targeted(of.name, of.site.system(), of.site.tree(), of.found().tree)
    if of.file_changes():
        modules.check_place(of.site, of.found())
    if not of.asked.confirmed:
        problem = f"this deletes {of.name}; to go on, say its name again: --data confirm={of.name}. Nothing was changed"
        yield FunctionCommand(fail, (problem,), {})


@operation()
@stops_host
def entry(of: Removal) -> Commands:
    """group_data no longer names it."""
    if of.edit is None:
        host.noop(f"group_data does not name {of.name}")
        return
    announce(host, of.entry_changes())
    yield from _hold(of)
    yield FunctionCommand(creation.write, (of.edit,), {})


@operation()
@stops_host
def files(of: Removal) -> Commands:
    """Its files are not in the module tree."""
    changes = of.file_changes()
    if not changes:
        host.noop("the module tree has no file of it")
        return
    announce(host, changes)
    yield from _hold(of)
    paths = removal.tree_files(of.name, of.found().tree)
    args = (of.site.host.data.module_dir, *paths)
    yield host_lock.step(host, run_script("install", args=args, stdin=modules.archive(of.site.tree(), ())))


@operation()
@stops_host
def database(of: Removal) -> Commands:
    """Its database and logins are gone; roles that instances share stay."""
    if of.asked.keep_database:
        host.noop("the database is kept")
        return
    if not of.nixos and sandbox.asleep(of.site):
        yield from sandbox.wake(of.site)
        changes = removal.cluster_changes(of.name, host.get_fact(Cluster, session=of.session, databases=()))
    else:
        changes = of.cluster_changes()
    if not changes:
        host.noop("PostgreSQL has nothing of it")
        return
    announce(host, changes)
    yield from _hold(of)
    yield host_lock.step(host, StringCommand(of.session, _stdin=removal.cluster_stream(of.name)))


@operation()
@stops_host
def data(of: Removal) -> Commands:
    """Its directories are gone, and the marker that lets its units start."""
    changes = of.data_changes()
    if not changes:
        host.noop("the host has no directory of it")
        return
    announce(host, changes)
    yield from _hold(of)
    what = "keep" if of.asked.keep_database else "all"
    secrets = " ".join(secret_removal.secrets_of(of.site.store, of.name)) if of.secrets else ""
    yield host_lock.step(host, run_script("purge", args=(of.name, what, secrets, *(change.what for change in of.stops()))))


@operation()
@stops_host
def secrets(of: Removal) -> Commands:
    """Its secrets are gone from the project, every generation."""
    changes = of.secret_changes()
    if not changes:
        host.noop("the project has no secret of it")
        return
    announce(host, changes)
    yield FunctionCommand(_do, (lambda: secret_removal.remove(of.site.store, of.name),), {})


@operation()
@stops_host
def slot(of: Removal) -> Commands:
    """Its slot is free, once the host is clean: another instance will have its ports and uids."""
    changes = of.slot_changes()
    if not changes:
        host.noop("it has no slot" if of.slot is None else "the slot stays with what is kept")
        return
    if state.is_executing and (left := _left(of)):
        raise HostStop(f"slot {of.slot} stays reserved, because the host still has of {of.name}: {', '.join(left)}; run again")
    announce(host, changes)
    yield FunctionCommand(_do, (lambda: slot_file.release(of.site.project, of.site.host.name, of.name),), {})


@operation()
def report(of: Removal) -> Commands:
    """Say what is gone and what is kept."""
    count = len([change for change in announced(host) if change.instance == of.name])
    if count:
        note(host, f"{of.name}: {count} removed" if state.is_executing else f"{of.name}: {count} would be removed")
    else:
        near = f"; {suggestion(of.name, of.known)}" if of.known and of.slot is None else ""
        note(host, f"nothing is left of {of.name}{'' if of.slot is None else ' but what was kept'}{near}")
    if of.asked.keep_database and of.slot is not None:
        note(
            host,
            f"kept: the database of {of.name}, its logins, /var/lib/supabase/{of.name} and slot {of.slot}; "
            f"`just supabase-delete {of.name}` removes them too",
        )
    return
    yield


def _hold(of: Removal) -> Commands:
    yield from host_lock.hold_first(of.site)


def _left(of: Removal) -> list[str]:
    """What the host now has of it."""
    tree = host.get_fact(ModuleTree, module_dir=of.site.host.data.module_dir).tree
    left = [f"file {path}" for path in removal.tree_files(of.name, tree)]
    cluster = host.get_fact(Cluster, session=of.session, databases=())
    left += [change.what for change in removal.cluster_changes(of.name, cluster)]
    if of.nixos:
        # What does not run does not tell what it holds.
        left += ["PostgreSQL, which does not run"] if isinstance(cluster, Absent) and of.site.system().revision else []
        system, remains = host.get_fact(RunningSystem), host.get_fact(Remains, instance=of.name)
        left += [change.what for change in unit_stops(of.name, system.units)]
        left += [f"directory {path}" for path in remains.directories]
        left += [f"user {user}" for user in remains.users]
        left += ["the system it runs"] if system.revision and of.name in system.revision.instances else []
    return left


def _do(state: State, host: PyinfraHost, act: object) -> bool:
    assert callable(act)
    try:
        act()
    except Stop as stop:
        return fail(state, host, str(stop))
    return True
