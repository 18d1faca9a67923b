"""All hosts with all their instances, validated together: the one source that every later step plans from."""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from desired import names
from desired.errors import Invalid, Mistake, SlotStop
from desired.instance import Instance, resolve
from desired.model import HostData, InstanceData, merged
from desired.slots import allocate

#: Fields that name a secret: a person may have typed the secret itself, so their values are never shown.
_UNSHOWN = frozenset({"jwt_secret", "anon_key", "service_key", "database_url"})
#: Keys of a group_data file that pyinfra reads itself.
_PYINFRA = ("ssh_", "_", "docker_", "dockerssh_", "podman_", "chroot_", "vagrant_", "terraform_", "fake_", "local_")

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class Layer:
    """One source of a host's data. `file` is what a person would open."""

    file: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class HostInput:
    """A host as the inventory gives it: `layers` from the weakest to the strongest, `host_key` as in known_hosts."""

    name: str
    layers: tuple[Layer, ...]
    host_key: str | None

    def value(self, key: str, default: Any = None) -> Any:
        return next((layer.data[key] for layer in reversed(self.layers) if key in layer.data), default)

    def files(self, key: str) -> list[str]:
        """The files that define a key, the winning one last."""
        return [layer.file for layer in self.layers if key in layer.data]

    def file(self, key: str) -> str:
        return (self.files(key) or [self.layers[-1].file if self.layers else "inventory.py"])[-1]


@dataclass(frozen=True)
class Host:
    """A host with nothing left open. `recipients` (sorted, without comments) are who may open its instances' secrets."""

    name: str
    data: HostData
    host_key: str
    instances: tuple[Instance, ...]

    @property
    def recipients(self) -> tuple[str, ...]:
        return tuple(sorted({*self.data.operators, self.host_key}))

    def option(self) -> dict[str, Any]:
        """`host.json`: the values of `constellation.supabase` that hold for the whole host."""
        return {"capacity": self.data.capacity, "domain": self.data.domain}


@dataclass(frozen=True)
class Estate:
    hosts: tuple[Host, ...]

    def host(self, name: str) -> Host | None:
        return next((host for host in self.hosts if host.name == name), None)

    @property
    def instances(self) -> tuple[Instance, ...]:
        return tuple(instance for host in self.hosts for instance in host.instances)


def validate(inputs: Iterable[HostInput], held: Mapping[str, Mapping[str, int]]) -> Estate:
    """The estate of every host that has `instances`; `held` is the slot file: host to instance to slot.

    Raises Invalid with all mistakes of all hosts.
    """
    mistakes: list[Mistake] = []
    hosts = []
    for source in inputs:
        if not source.files("instances"):
            continue
        host = _host(source, held.get(source.name, {}), mistakes)
        if host is not None:
            hosts.append((source, host))
    mistakes.extend(_clashes(hosts))
    if mistakes:
        raise Invalid(list(dict.fromkeys(mistakes)))
    return Estate(tuple(host for _, host in hosts))


def _host(source: HostInput, held: Mapping[str, int], mistakes: list[Mistake]) -> Host | None:
    found: list[Mistake] = list(_unknown_keys(source))
    files = source.files("instances")
    if len(files) > 1:
        problem = f"also defined in {files[-2]}; pyinfra keeps only one of the two: move all instances of {source.name} into one"
        found.append(Mistake(files[-1], "instances", problem))
    fields = {key: value for key in HostData.model_fields if (value := source.value(key)) is not None}
    data = _parse(HostData, fields, found, lambda field: source.file(field), instance=None)
    if source.host_key is None:
        problem = (
            f"no ssh-ed25519 host key of {source.name} is recorded; run `just known-host {source.name}` and compare "
            "the fingerprint with the one the host's console shows"
        )
        found.append(Mistake("known_hosts", source.name, problem))
    parsed = _instances(source, files[-1], found)
    mistakes.extend(found)
    if found or data is None or source.host_key is None:
        return None
    ports = {value.port for value in parsed.values() if value.port}
    try:
        slots = allocate(held, parsed, ports)
    except SlotStop as stop:
        mistakes.append(Mistake(files[-1], "instances", str(stop)))
        return None
    instances = tuple(
        resolve(name, value, host=source.name, domain=data.domain, slot=slots[name])
        for name, value in sorted(parsed.items())
    )
    if len(instances) > data.capacity:
        problem = f"{len(instances)} instances need a larger capacity; PostgreSQL restarts once when it changes"
        mistakes.append(Mistake(source.file("capacity"), "capacity", problem, value=str(data.capacity)))
    return Host(source.name, data, source.host_key, instances)


def _unknown_keys(source: HostInput) -> Iterator[Mistake]:
    known = {*HostData.model_fields, "instances", "instance_defaults"}
    for layer in source.layers:
        for key in layer.data:
            if key not in known and not key.startswith(_PYINFRA):
                yield Mistake(layer.file, key, f"unknown key{_near(key, known)}")


def _near(key: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(key, sorted(known), n=1)
    return f"; did you mean {close[0]}?" if close else f"; known: {', '.join(sorted(known))}"


def _instances(source: HostInput, file: str, found: list[Mistake]) -> dict[str, InstanceData]:
    written, defaults = source.value("instances"), source.value("instance_defaults", {})
    if not isinstance(written, dict):
        found.append(Mistake(file, "instances", "a dictionary of instance name to its values is wanted", value=_shown(written)))
        return {}
    if not isinstance(defaults, dict):
        found.append(Mistake(source.file("instance_defaults"), "instance_defaults", "a dictionary is wanted"))
        return {}
    parsed = {}
    for name, value in written.items():
        if not isinstance(name, str) or not names.INSTANCE.fullmatch(name) or name in names.RESERVED_INSTANCES:
            problem = (
                "an instance name is a small letter and up to 12 small letters or digits, and not one of "
                + ", ".join(sorted(names.RESERVED_INSTANCES))
            )
            found.append(Mistake(file, "instances", problem, value=_shown(name)))
            continue
        if not isinstance(value, dict):
            found.append(Mistake(file, "instances", "a dictionary is wanted ({} takes every default)", name, _shown(value)))
            continue
        data = _parse(InstanceData, merged(defaults, value), found, lambda _: file, instance=name)
        if data is not None:
            parsed[name] = data
            storage, service = data.storage.enable, data.services.storage
            if storage is not None and service is not None and storage != service:
                problem = f"services.storage = {service} says the opposite; leave one of the two unset and it follows"
                found.append(Mistake(file, "storage.enable", problem, name, str(storage)))
    return parsed


def _parse(
    model: type[_Model], value: dict[str, Any], found: list[Mistake], file: Callable[[str], str], instance: str | None
) -> _Model | None:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        for item in error.errors(include_url=False):
            path = [str(part) for part in item["loc"]]
            unshown = item["type"] in ("extra_forbidden", "missing") or path[-1] in _UNSHOWN
            shown = None if unshown else _shown(item["input"])
            found.append(Mistake(file(path[0]), ".".join(path), _problem(item, model), instance, shown))
        return None


def _problem(item: Any, model: type[BaseModel]) -> str:
    if item["type"] == "extra_forbidden":
        owner: Any = model
        for part in item["loc"][:-1]:
            owner = owner.model_fields[part].annotation
        return "unknown key" + _near(str(item["loc"][-1]), owner.model_fields)
    if item["type"] == "missing":
        return "is missing"
    if item["type"] == "value_error":
        return str(item["ctx"]["error"])
    if item["type"] == "string_pattern_mismatch":
        return f"must match {item['ctx']['pattern'].removeprefix('^').removesuffix('$')}"
    return str(item["msg"])


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _clashes(hosts: list[tuple[HostInput, Host]]) -> Iterator[Mistake]:
    """Whatever two instances would fight over, each clash told once, with both sides named."""
    seen: dict[tuple[str, Any], str] = {}
    for source, host in hosts:
        file = source.file("instances")
        for item in host.instances:
            other = seen.setdefault(("instance", item.name), f"{host.name} ({file})")
            if other != f"{host.name} ({file})":
                yield Mistake(file, "instances", f"claimed by two hosts: {host.name} ({file}) and {other}", item.name)
                continue
            for field, space, value in _claims(item):
                mine = f"{field} of instance {item.name} on {host.name}"
                other = seen.setdefault((space, value), mine)
                if other != mine:
                    shown = None if field in _UNSHOWN else repr(value)
                    yield Mistake(file, field, f"already taken by {other}", item.name, shown)


def _claims(item: Instance) -> Iterator[tuple[str, str, Any]]:
    """(field, space in which it must be unique, value)"""
    yield "port", f"port {item.host}", item.port
    yield "subdomain", f"domain {item.domain}", item.subdomain
    yield "database.name", f"database {item.host}", item.database
    services = [names.service_login(item.name, service) for service in names.LOGIN_SERVICES]
    for role in dict.fromkeys([names.owner(item.name), item.database_user, *services]):
        yield "database.user", f"role {item.host}", role
    for kind, secret in item.secrets.items():
        yield _SECRET_FIELDS.get(kind, kind), "secret", secret


_SECRET_FIELDS = {"jwt": "jwt_secret", "anon": "anon_key", "service": "service_key", "db": "database_url"}
