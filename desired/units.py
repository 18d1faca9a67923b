"""Which units a run starts, restarts, reloads or stops: announced from the data, before anything is built."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from desired import names
from desired.changes import Change
from desired.estate import Host
from desired.instance import Instance
from desired.revision import Digests
from desired.tree import ObservedTree, Tree

#: Service to: the switch that turns it on (None: always on), the fields its unit text is made of, the kinds of
#: secrets its runtime material is composed of. Mirrors `__rest.nix` and `__gateway.nix`.
_SERVICES: Mapping[str, tuple[str | None, tuple[str, ...], tuple[str, ...]]] = {
    "rest": ("restApi", ("slot", "logLevel", "database.name", "jwtSecret"), ("jwtSecret",)),
    "gateway": (
        None,
        ("slot", "port", "subdomain", "logLevel", "services.restApi", "anonKey", "serviceKey"),
        ("anonKey", "serviceKey"),
    ),
}


def units_of(instance: Instance) -> tuple[str, ...]:
    """The units that run while the instance is enabled."""
    option = instance.as_option()
    return tuple(
        names.unit(instance.name, service)
        for service, (switch, _, _) in _SERVICES.items()
        if switch is None or option["services"][switch]
    )


def unit_changes(
    host: Host, instances: tuple[Instance, ...], wanted: Tree, running: ObservedTree | None, active: Mapping[str, str]
) -> tuple[Change, ...]:
    """`running`: the tree the running system was built from, None when that is the wanted one; `active`: unit to
    ActiveState."""
    same = ObservedTree(wanted.digests(), {item.name: item.as_option() for item in instances}, host.option())
    return tuple(_changes(host, instances, wanted, running or same, active))


def _changes(
    host: Host, instances: Iterable[Instance], wanted: Tree, running: ObservedTree, active: Mapping[str, str]
) -> Iterator[Change]:
    digests = wanted.digests()
    fresh = not running.instances and not running.host
    module = not fresh and any(running.digests.get(path) != digests[path] for path in digests if path.endswith(".nix"))
    postgresql = ""
    if fresh:
        postgresql = "access lines and sizes"
    elif running.host.get("capacity") != host.data.capacity:
        postgresql = "capacity"
    elif module:
        postgresql = "if the new module changes its settings"
    if postgresql:
        yield Change(None, "restart", "postgresql.service", postgresql)
    for instance in instances:
        option, before = instance.as_option(), running.instances.get(instance.name, {})
        expected = set(units_of(instance)) if instance.enable else set()
        for service, (_, fields, secrets) in _SERVICES.items():
            unit = names.unit(instance.name, service)
            state = active.get(unit, "inactive")
            if unit not in expected:
                if state == "active":
                    yield Change(instance.name, "stop", unit)
            elif state != "active":
                yield Change(instance.name, "start", unit)
            elif module:
                yield Change(instance.name, "restart", unit, "if the new module changes it")
            elif postgresql:
                yield Change(instance.name, "restart", unit, "with postgresql.service")
            elif changed := [name for name in fields if _get(before, name) != _get(option, name)]:
                yield Change(instance.name, "restart", unit, ", ".join(changed))
            elif running.host.get("domain") != host.data.domain and service == "gateway":
                yield Change(instance.name, "restart", unit, "domain")
            elif any(_differs(digests, running.digests, f"secrets/{option[secret]}.age") for secret in secrets):
                yield Change(instance.name, "reload", unit, "secrets")


def _get(value: Mapping[str, Any], path: str) -> Any:
    for part in path.split("."):
        value = value.get(part, {})
    return value


def _differs(wanted: Digests, running: Digests, path: str) -> bool:
    return wanted.get(path) != running.get(path)
