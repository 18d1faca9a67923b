"""Which units a run starts, restarts, reloads or stops: announced from the data, before anything is built."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from desired import names
from desired.changes import Change, Verb
from desired.estate import Host
from desired.instance import Instance
from desired.revision import Digests
from desired.tree import ObservedTree, Tree

#: An instance as its file has it; one written by hand may leave values to the module's defaults.
Option = Mapping[str, Any]


@dataclass(frozen=True)
class _Service:
    """
    switch: the `services` switch that turns it on; None: always on
    fields: what its unit's text is made of, beside the host's domain: another value is a restart
    secrets: the fields that name what its runtime material is composed of: another ciphertext is a reload
    levels: log levels that it treats like another one
    """

    switch: str | None
    fields: tuple[str, ...]
    secrets: tuple[str, ...]
    levels: Mapping[str, str] = field(default_factory=dict)

    def on(self, option: Option) -> bool:
        return bool(option.get("enable", True) and (self.switch is None or option.get("services", {}).get(self.switch, True)))

    def text(self, option: Option, domain: object) -> dict[str, object]:
        """Equal values, equal unit."""
        values = {name: _get(option, name) for name in self.fields}
        level = values["logLevel"]
        return {**values, "logLevel": self.levels.get(level, level), "domain": domain}

    def sources(self, option: Option, digests: Digests) -> dict[str, str | None]:
        """The ciphertexts its runtime material is composed of, other generations of a secret included."""
        current = [str(option.get(name)) for name in self.secrets]
        other = {secret + ending for secret in current for ending in names.GENERATIONS}.intersection(option.get("secrets", ()))
        return {secret: digests.get(f"secrets/{secret}.age") for secret in (*current, *sorted(other))}


#: Mirrors `__rest.nix` and `__gateway.nix`.
_SERVICES: Mapping[str, _Service] = {
    "rest": _Service(
        switch="restApi",
        fields=("subdomain", "logLevel", "database.name", "jwtSecret"),
        secrets=("jwtSecret",),
        levels={"debug": "info"},
    ),
    "gateway": _Service(
        switch=None,
        fields=("subdomain", "port", "logLevel", "services.restApi", "anonKey", "serviceKey"),
        secrets=("anonKey", "serviceKey"),
        levels={"warn": "error"},
    ),
}


def units_of(instance: Instance) -> tuple[str, ...]:
    """The units that run while the instance is enabled."""
    option = {**instance.as_option(), "enable": True}
    return tuple(names.unit(instance.name, name) for name, service in _SERVICES.items() if service.on(option))


def unit_changes(
    host: Host, instances: tuple[Instance, ...], wanted: Tree, running: ObservedTree | None, active: Mapping[str, str]
) -> tuple[Change, ...]:
    """`running`: the tree the running system was built from, None when that is the wanted one; `active`: unit to
    ActiveState. The activation of a system also reaches the instances that this run leaves as they are."""
    options = {item.name: item.as_option() for item in instances}
    before = running or ObservedTree(wanted.digests(), options, host.option())
    module = bool(before.host or before.instances) and before.revision().module != wanted.revision().module
    postgresql = _postgresql(host, before, module)
    after = ObservedTree({**before.digests, **wanted.digests()}, {**before.instances, **options}, host.option())
    verb: Verb = "restart" if active.get("postgresql.service") == "active" else "start"
    changes = [] if postgresql is None else [Change(None, verb, "postgresql.service", postgresql)]
    for name in sorted(after.instances):
        for kind, service in _SERVICES.items():
            unit = names.unit(name, kind)
            state = active.get(unit, "inactive")
            if not service.on(after.instances[name]):
                if state not in ("inactive", "failed"):
                    changes.append(Change(name, "stop", unit))
            elif state not in ("active", "reloading"):
                changes.append(Change(name, "start", unit))
            elif module:
                changes.append(Change(name, "restart", unit, "if the new module changes it"))
            elif postgresql is not None:
                changes.append(Change(name, "restart", unit, "with postgresql.service"))
            else:
                changes += _change(name, unit, service, before, after)
    return tuple(changes)


def _postgresql(host: Host, before: ObservedTree, module: bool) -> str | None:
    """Why PostgreSQL restarts; None when it does not."""
    if not before.instances and not before.host:
        return "access lines and sizes"
    if before.host.get("capacity") != host.data.capacity:
        return "capacity"
    return "if the new module changes its settings" if module else None


def _change(name: str, unit: str, service: _Service, before: ObservedTree, after: ObservedTree) -> Iterator[Change]:
    """What becomes of a running unit."""
    old, new = before.instances.get(name, {}), after.instances[name]
    was, will = service.text(old, before.host.get("domain")), service.text(new, after.host.get("domain"))
    if was != will:
        yield Change(name, "restart", unit, ", ".join(key for key in will if was[key] != will[key]))
    elif service.sources(old, before.digests) != service.sources(new, after.digests):
        yield Change(name, "reload", unit, "secrets")


def _get(value: Option, path: str) -> Any:
    *parents, last = path.split(".")
    for part in parents:
        value = value.get(part, {})
    return value.get(last)
