"""An instance is taken away for good. Each step finds what an earlier run has left of it.

    entry      out of group_data first, so that nothing brings it back
    modules    its files leave the module tree
    build, activate   the system without it, with the way back armed: its units stop, its users go; all others must answer
    database   connections are ended; database and logins are dropped
    data       its directories
    secrets    files, sidecars, rules
    slot       free only once a look at the host shows nothing of it
"""

from pyinfra.api.command import FunctionCommand, StringCommand
from pyinfra.api.host import Host as PyinfraHost
from pyinfra.api.operation import operation
from pyinfra.api.state import State
from pyinfra.context import host, state

from desired import removal
from desired.cluster_state import Absent
from desired.errors import HostStop, Stop
from desired.host_state import check_targeted, require_nixos
from desired.shown import suggestion
from desired.units import unit_stops
from facts.host_state import RunningSystem
from facts.module_tree import ModuleTree
from facts.postgresql import Cluster
from facts.remains import Remains
from facts.script import run_script
from operations import creation, host_lock, modules, sandbox
from operations.announce import announce, announced, note
from operations.connection import ask
from operations.remains import Removal
from operations.stops import Commands, fail, stops_host
from workstation import secret_removal, slot_file


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
    args = (of.site.host.module_dir, *paths)
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
        changes = removal.cluster_changes(of.name, ask(Cluster, session=of.session, databases=()))
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
    tree = ask(ModuleTree, module_dir=of.site.host.module_dir).tree
    left = [f"file {path}" for path in removal.tree_files(of.name, tree)]
    cluster = ask(Cluster, session=of.session, databases=())
    left += [change.what for change in removal.cluster_changes(of.name, cluster)]
    if of.nixos:
        # What does not run does not tell what it holds.
        left += ["PostgreSQL, which does not run"] if isinstance(cluster, Absent) and of.site.system().revision else []
        system, remains = ask(RunningSystem), ask(Remains, instance=of.name)
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
