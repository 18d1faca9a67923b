"""What a host runs, as `templates/host/observe.sh` tells it, and whether that calls for a rebuild."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from desired.errors import HostStop
from desired.revision import Revision, parse
from desired.tree import ObservedTree, Tree

#: Programs the host scripts call; `git` only where the tree is a git work tree.
NEEDED_TOOLS = ("nixos-rebuild", "flock", "curl", "runuser")


@dataclass(frozen=True)
class HostState:
    """`running`, `profile`, `confirmed`: store paths of systems. `armed`: since when and by whom a way back is armed."""

    nixos: bool
    tools: frozenset[str]
    running: str | None
    profile: str | None
    confirmed: str | None
    revision: Revision | None
    confirmed_revision: Revision | None
    epoch: str
    armed: str | None
    returned: str | None
    ready: frozenset[str]
    units: Mapping[str, str]


def parse_state(lines: Iterable[str]) -> HostState:
    """From the `key value` lines of the script, and those of systemctl. Raises HostStop when a revision in them is not ours."""
    single: dict[str, str] = {}
    many: dict[str, list[str]] = {"tool": [], "ready": []}
    units: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(" ")
        if key.endswith((".service", ".socket")):
            words = value.split()
            units.update({key: words[1]} if len(words) > 1 else {})
        elif key in many:
            many[key].append(value)
        else:
            single.setdefault(key, value)
    revision, confirmed = single.get("revision"), single.get("confirmed_revision")
    return HostState(
        nixos=single.get("nixos") == "yes",
        tools=frozenset(many["tool"]),
        running=single.get("running"),
        profile=single.get("profile"),
        confirmed=single.get("confirmed"),
        revision=parse(revision) if revision else None,
        confirmed_revision=parse(confirmed) if confirmed else None,
        epoch=single.get("epoch", ""),
        armed=single.get("armed"),
        returned=single.get("returned"),
        ready=frozenset(many["ready"]),
        units=units,
    )


def require_nixos(host: str, state: HostState) -> None:
    """Raise HostStop when this is no NixOS host or a program is missing there."""
    if not state.nixos or state.running is None:
        raise HostStop(
            f"{host} is not a NixOS host (no /etc/NIXOS or /run/current-system); "
            'for the sandbox on this machine set system = "sandbox" in group_data'
        )
    missing = [tool for tool in NEEDED_TOOLS if tool not in state.tools]
    if missing:
        raise HostStop(f"{host}: not found on the host: {', '.join(missing)}; add the packages to environment.systemPackages")


def same(revision: Revision | None, wanted: Revision, removed: frozenset[str] = frozenset()) -> bool:
    """Whether `revision` is what is wanted, for the instances that are wanted or `removed`; orphans do not count."""
    return (
        revision is not None
        and not removed.intersection(revision.instances)
        and revision.module == wanted.module
        and revision.cluster == wanted.cluster
        and all(revision.instances.get(name) == digest for name, digest in wanted.instances.items())
    )


def rebuild_reasons(state: HostState, tree: Tree) -> tuple[str, ...]:
    """Why the host must be rebuilt and activated; empty when it runs what is wanted and health was seen on it.

    Raises HostStop when somebody else deployed this host: what runs is neither wanted nor confirmed.
    """
    wanted, running, removed = tree.revision(), state.revision, tree.removed
    if removed and state.armed is None and _settled(state, removed):
        return ()
    if same(running, wanted, removed) and running == state.confirmed_revision and state.armed is None:
        return ()
    if running is not None and not same(running, wanted, removed) and running != state.confirmed_revision and state.armed is None:
        raise HostStop(
            "the host runs a system that this project neither wants nor has confirmed: somebody deploys it from elsewhere. "
            "Bring the two together; if what runs is right as it is, run there:  "
            "ln -sfn $(readlink -f /run/current-system) /var/lib/supabase/confirmed"
        )
    reasons = []
    if running is None:
        reasons.append("the running system has no Supabase module")
    else:
        if running.module != wanted.module:
            reasons.append("the module")
        if running.cluster != wanted.cluster:
            reasons.append("host.json")
        changed = [name for name, digest in wanted.instances.items() if running.instances.get(name) != digest]
        if changed:
            reasons.append("instances " + ", ".join(changed))
        if gone := sorted(removed.intersection(running.instances)):
            reasons.append("removal of " + ", ".join(gone))
    if state.armed is not None:
        reasons.append("an unfinished run")
    elif running is not None and running != state.confirmed_revision:
        reasons.append("health has not been seen on it yet")
    return tuple(reasons)


def _settled(state: HostState, removed: frozenset[str]) -> bool:
    """Whether the running system has nothing of what is removed: what else differs is not a removal's business."""
    running = state.revision
    return running is None or (running == state.confirmed_revision and not removed.intersection(running.instances))


def check_targeted(name: str, state: HostState, wanted: Tree, observed: ObservedTree) -> None:
    """Raise HostStop when a run for one instance would change more than that instance."""
    running, on_disk, whole = state.revision, observed.revision(), wanted.revision()
    why = None
    if running is None:
        why = "the host has not been converged yet"
    elif (running.module, running.cluster) != (whole.module, whole.cluster):
        why = "the module or the host's settings have changed"
    elif (running.module, running.cluster) != (on_disk.module, on_disk.cluster):
        why = "the module's files on the host are not what it runs"
    else:
        others = sorted({*on_disk.instances, *running.instances} - {name})
        changed = [other for other in others if running.instances.get(other) != on_disk.instances.get(other)]
        half = [other for other in changed if other not in on_disk.instances]
        if half:
            finish = f"if it is being deleted, finish that with `just supabase-delete {half[0]}`"
            why = f"the host runs {half[0]} and has no file of it; {finish}"
        elif changed:
            why = f"the files of {', '.join(changed)} on the host are not what it runs"
    if why:
        raise HostStop(f"cannot limit this run to {name}: {why}; run a full converge first (without --data instance)")
