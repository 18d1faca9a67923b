"""Which units a run starts, restarts, reloads or stops: announced from the data, before anything is built."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from desired.changes import Change, Verb
from desired.edge import edge_changes
from desired.estate import Host
from desired.instance import Instance
from desired.revision import Digests
from desired.tree import ObservedTree, Tree, after
from desired.unit_table import UNIT, UNITS, Option, Unit, on, secrets, unit_name, value_of

_QUIET = ("inactive", "failed")


def units_of(instance: Instance) -> tuple[str, ...]:
    """The units that run while the instance is enabled."""
    option = {**instance.option, "enable": True}
    return tuple(unit_name(instance.name, unit, option) for unit in UNITS if on(unit, option))


def unit_changes(
    host: Host, instances: tuple[Instance, ...], wanted: Tree, running: ObservedTree | None, active: Mapping[str, str]
) -> tuple[Change, ...]:
    """`running`: the tree the running system was built from, None when that is the wanted one; `active`: unit to
    ActiveState. The activation of a system also reaches the instances that this run leaves as they are."""
    options = {item.name: item.option for item in instances}
    before = running or ObservedTree(wanted.digests(), options, host.option())
    module = bool(before.host or before.instances) and before.revision().module != wanted.revision().module
    postgresql = _postgresql(host, before, module)
    then = before if running is None else after(wanted, before)
    verb: Verb = "restart" if active.get("postgresql.service") == "active" else "start"
    changes = [] if postgresql is None else [Change(None, verb, "postgresql.service", postgresql)]
    for name in sorted(then.instances):
        changes += _of_instance(name, before, then, active, module, postgresql is not None)
    for name in sorted(wanted.removed):
        changes += unit_stops(name, active)
    return (*changes, *edge_changes(before, then, active))


def unit_stops(name: str, active: Mapping[str, str]) -> tuple[Change, ...]:
    """Those of an instance that goes."""
    found = (file for file, seen in active.items() if seen not in _QUIET and (match := UNIT.fullmatch(file)) and match[1] == name)
    return tuple(Change(name, "stop", file) for file in sorted(found))


def _of_instance(
    name: str, before: ObservedTree, after: ObservedTree, active: Mapping[str, str], module: bool, postgresql: bool
) -> Iterator[Change]:
    option = whole(name, after.instances[name])
    wanted = {unit_name(name, unit, option): unit for unit in UNITS if on(unit, option)}
    possible = dict.fromkeys([unit_name(name, unit, option) for unit in UNITS] + _gateway_sockets(name, active))
    for file in possible:
        unit, state = wanted.get(file), active.get(file, "inactive")
        if unit is None:
            if state not in _QUIET:
                yield Change(name, "stop", file)
        elif state not in ("active", "reloading"):
            yield Change(name, "start", file)
        elif module and unit.restarted:
            yield Change(name, "restart", file, "if the new module changes it")
        elif postgresql and unit.database:
            yield Change(name, "restart", file, "with postgresql.service")
        elif before is not after:
            yield from _change(name, file, unit, before, after)


def _change(name: str, file: str, unit: Unit, before: ObservedTree, after: ObservedTree) -> Iterator[Change]:
    """What becomes of a running unit."""
    old, new = whole(name, before.instances.get(name, {})), whole(name, after.instances[name])
    differs = [
        field
        for field in unit.fields
        if value_of(unit, field, old, before.host.get("domain")) != value_of(unit, field, new, after.host.get("domain"))
    ]

    def fresh(kinds: tuple[str, ...]) -> bool:
        return _ciphertexts(secrets(name, kinds, old), before.digests) != _ciphertexts(secrets(name, kinds, new), after.digests)

    if differs or fresh(unit.restarts):
        yield Change(name, "restart", file, ", ".join(differs) or "secrets")
    elif fresh(unit.reloads):
        yield Change(name, "reload", file, "secrets")


def _ciphertexts(names: tuple[str, ...], digests: Digests) -> dict[str, str | None]:
    return {name: digests.get(f"secrets/{name}.age") for name in names}


def _gateway_sockets(name: str, active: Mapping[str, str]) -> list[str]:
    """Those of other ports too, which the gateway had before."""
    mine = f"supabase-{name}-"  # looked at first: there are many units
    return [file for file in active if file.startswith(mine) and re.fullmatch(r"[0-9]+\.socket", file.removeprefix(mine))]


def whole(name: str, option: Option) -> Option:
    """An instance's file that a person wrote, or that an earlier version did, leaves values to the module's defaults."""
    if "profile" in option:
        return option
    from desired.defaults import resolve  # a run in which nothing is compared need not load what reads group_data
    from desired.model import InstanceData, merged

    slot: Any = option.get("slot", 0)
    return merged(dict(resolve(name, InstanceData(), host="", domain="", slot=slot).option), dict(option))


def _postgresql(host: Host, before: ObservedTree, module: bool) -> str | None:
    """Why PostgreSQL restarts; None when it does not."""
    if not before.instances and not before.host:
        return "access lines and sizes"
    if before.host.get("capacity") != host.capacity:
        return "capacity"
    return "if the new module changes its settings" if module else None
