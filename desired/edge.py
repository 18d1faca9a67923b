"""What a run makes of the edge: the unit that serves the instances' domains. Mirrors `__edge.nix`."""

from collections.abc import Iterator, Mapping
from typing import Any

from desired.changes import Change
from desired.tree import ObservedTree

#: Unchosen it is Caddy, with a vhost of our own or behind media.gateway.
_UNITS: Mapping[str | None, str | None] = {None: "caddy.service", "gateway": "caddy.service", "caddy": "caddy.service"} | {
    "nginx": "nginx.service",
    "none": None,
}


def edge_changes(before: ObservedTree, after: ObservedTree, active: Mapping[str, str]) -> Iterator[Change]:
    """`before`: the tree the running system was built from; `active`: unit to ActiveState."""
    ours = bool(before.host or before.instances)
    old, new = _unit(before) if ours else None, _unit(after)
    if old is not None and old != new and active.get(old) == "active":
        yield Change(None, "stop", old, "unless the host's own configuration has it")
    if new is None:
        return
    if active.get(new, "inactive") not in ("active", "reloading"):
        yield Change(None, "start", new)
    elif new != old and new == "nginx.service":
        yield Change(None, "restart", new, "from then on it reloads")
    elif new != old or _vhosts(before) != _vhosts(after) or _chosen(before, after):
        yield Change(None, "reload", new, "virtual hosts")
    elif before.host.get("edge") != after.host.get("edge"):
        yield Change(None, "reload", new, "virtual hosts, if media.gateway makes them")
    elif before.revision().module != after.revision().module:
        yield Change(None, "reload", new, "if the new module changes them")


def _unit(tree: ObservedTree) -> str | None:
    return _UNITS[tree.host.get("edge")]


def _chosen(before: ObservedTree, after: ObservedTree) -> bool:
    """Whether both name their edge, and another one: with none named it is the host that decides."""
    named = {before.host.get("edge"), after.host.get("edge")}
    return len(named) == 2 and None not in named


def _vhosts(tree: ObservedTree) -> dict[str, Any]:
    """Equal values, equal configuration."""
    shared = ("domain", "authelia") if tree.host.get("edge") == "nginx" else ("domain", "authelia", "acmeEmail")
    served = {name: item for name, item in tree.instances.items() if item.get("enable", True)}
    return {name: (item.get("subdomain"), item.get("port")) for name, item in served.items()} | {
        f"host {key}": tree.host.get(key) for key in shared
    }
