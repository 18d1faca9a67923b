"""Where something is left of instances that group_data does not name."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from desired import names
from desired.cluster_state import Observation, Observed
from desired.host_state import HostState
from desired.sidecar import Sidecar
from desired.tree import ObservedTree
from desired.unit_table import UNIT
from desired.usage import Usage

_COMMENT = re.compile(rf"supabase: instance ({names.INSTANCE.pattern})( .*)?")


@dataclass(frozen=True)
class Orphan:
    """`host`: None for what is left in the project alone. `places`: of files, system, units, data, databases, roles, slot and
    secrets."""

    name: str
    host: str | None
    places: tuple[str, ...]


def on_host(
    named: Collection[str], tree: ObservedTree, system: HostState | None, cluster: Observation, usage: Usage
) -> dict[str, list[str]]:
    """Name to places on one host. `named`: the instances of this host; `system`: None in the sandbox."""
    found: dict[str, list[str]] = defaultdict(list)

    def add(place: str, instances: Iterable[str]) -> None:
        for name in sorted(set(instances) - {*named}):
            found[name].append(place)

    add("files", tree.instances)
    if system is not None:
        add("system", system.revision.instances if system.revision else ())
        add("units", (match[1] for unit in system.units if system.units[unit] != "inactive" and (match := UNIT.fullmatch(unit))))
    add("data", (name for name in usage.data if names.INSTANCE.fullmatch(name) and name not in names.RESERVED_INSTANCES))
    if isinstance(cluster, Observed):
        add("databases", _owners(database.comment for database in cluster.databases.values()))
        add("roles", _owners(role.comment for role in cluster.roles.values()))
    return found


def orphans(
    named: Mapping[str, Collection[str]],
    found: Mapping[str, Mapping[str, list[str]]],
    slots: Mapping[str, Mapping[str, int]],
    sidecars: Iterable[Sidecar | None],
) -> tuple[Orphan, ...]:
    """Every orphan. `named`: host to the instances group_data names there; `found`: host to what `on_host` gives;
    `slots`: the slot file; `sidecars`: of the whole project."""
    places: dict[tuple[str, str | None], list[str]] = defaultdict(list)
    for host, left in found.items():
        for name, where in left.items():
            places[name, host] += where
    for host, held in slots.items():
        for name in sorted(held.keys() - {*named.get(host, ())}):
            places[name, host].append("slot")
    everywhere = {name for instances in named.values() for name in instances}
    for name in sorted({sidecar.instance for sidecar in sidecars if sidecar is not None} - everywhere):
        for place in [key for key in places if key[0] == name] or [(name, None)]:
            places[place].append("secrets")
    order = sorted(places, key=lambda key: (key[0], key[1] or ""))
    return tuple(Orphan(name, host, tuple(places[name, host])) for name, host in order)


def _owners(comments: Iterable[str | None]) -> set[str]:
    return {match[1] for comment in comments if comment and (match := _COMMENT.fullmatch(comment))}
