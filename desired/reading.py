"""One host's group_data, read strictly: its typed values, and every mistake with the file it stands in."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from desired import names
from desired.defaults import services_of
from desired.errors import Mistake
from desired.instance import SECRET_FIELDS
from desired.model import HostData, InstanceData, merged
from desired.numbers import INTERNAL
from desired.shown import named, shown, suggestion
from desired.sources import HostInput

_HOST_KEYS = frozenset({*HostData.model_fields, "instances", "instance_defaults"})
#: What pydantic's own kinds of errors mean here; the others carry a message of the model.
_ALLOWED = {
    "bool_type": "must be True or False",
    "dict_type": "must be a dictionary",
    "int_type": "must be a whole number",
    "string_type": "must be text",
    "model_type": "must be a dictionary",
    "invalid_key": "keys must be text",
}
#: Fields where somebody may have typed a secret.
_UNSHOWN = frozenset({*SECRET_FIELDS.values(), "environment", "secret_environment"})
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class Reading:
    """`data` is None when one of the host's own values is wrong; `instances` are those whose values are right."""

    data: HostData | None
    instances: Mapping[str, InstanceData]
    mistakes: tuple[Mistake, ...]


def read(source: HostInput) -> Reading:
    """The values of a host that has `instances`."""
    found: list[Mistake] = []
    *others, file = source.files("instances")
    if others:
        problem = f"also defined in {others[-1]}; pyinfra keeps only one of the two: move all instances of {source.name} into one"
        found.append(Mistake(file, "instances", problem))
    if source.host_key is None:
        problem = (
            f"no host key of type ssh-ed25519 is recorded; run `just known-host {source.name}` and compare "
            "the fingerprint with the one the host's console shows"
        )
        found.append(Mistake("known_hosts", source.name, problem))
    values = {key: value for key in HostData.model_fields if (value := source.value(key)) is not None}
    data = _parsed(HostData, values, found, source.file)
    if data is not None:
        found += _across(source, data)
    instances = _instances(source, file, found)
    return Reading(data, instances, tuple(found))


def _across(source: HostInput, data: HostData) -> Iterator[Mistake]:
    """What is wrong with values that are right by themselves."""
    written = source.value("instances")
    if isinstance(written, dict) and len(written) > data.capacity:
        problem = f"there are {len(written)} instances; raise it to as many or more: PostgreSQL then restarts once"
        yield Mistake(source.file("capacity"), "capacity", problem, value=str(data.capacity))
    if data.system == "nixos" and data.postgresql_port in INTERNAL:
        problem = f"{INTERNAL.start} to {INTERNAL.stop - 1} belong to the slots; let PostgreSQL listen elsewhere"
        yield Mistake(source.file("postgresql_port"), "postgresql_port", problem, value=str(data.postgresql_port))


def unknown_keys(source: HostInput, others: Collection[str]) -> Iterator[Mistake]:
    """Keys that neither this project nor anybody else reads. `others` are those of pyinfra."""
    for layer in source.layers:
        for key in layer.data:
            if key not in _HOST_KEYS and key not in others and not key.startswith("_"):
                known = {*_HOST_KEYS, *others} if key.startswith("ssh_") else _HOST_KEYS
                yield Mistake(layer.file, key, f"unknown key; {suggestion(key, known)} (helpers of your own start with _)")


def _instances(source: HostInput, file: str, found: list[Mistake]) -> dict[str, InstanceData]:
    written = source.value("instances")
    if not isinstance(written, dict):
        allowed = 'must be a dictionary of names to values: instances = {"prod": {}}'
        found.append(Mistake(file, "instances", allowed, value=shown(written)))
        return {}
    defaults = _defaults(source, found)
    parsed = {}
    for name, value in written.items():
        if (problem := _wrong_name(name)) is not None:
            found.append(Mistake(file, "instances", problem, value=shown(name)))
        elif not isinstance(value, dict):
            found.append(Mistake(file, "instances", "must be a dictionary; {} takes every default", name, shown(value)))
        else:
            data = _parsed(InstanceData, merged(defaults, value), found, lambda _: file, name)
            if data is not None:
                parsed[name] = data
                for field, problem, seen in _across_services(data, value):
                    found.append(Mistake(file, field, problem, name, seen))
    return parsed


def _across_services(data: InstanceData, written: Mapping[str, Any]) -> Iterator[tuple[str, str, str | None]]:
    """Field, problem and shown value of what does not go together. `written`: the instance's own values, without
    instance_defaults, which may speak of services that only others run."""
    storage, service, on = data.storage.enable, data.services.storage, services_of(data)
    if storage is not None and service is not None and storage != service:
        problem = f"services.storage = {service} says the opposite; they are one switch: set one of them, or both alike"
        yield "storage.enable", problem, str(storage)
    if on["studio"] and not on["meta"]:
        yield "services.studio", "Studio works through meta: switch services.meta on too, or studio off", "True"
    if on["imgproxy"] and not on["storage"]:
        yield "services.imgproxy", "it reads the files of storage: switch services.storage on too, or leave this unset", "True"
    if on["imgproxy"] and data.storage.backend == "s3":
        yield "services.imgproxy", 'storage.backend = "s3" leaves no files here that it could read: leave this unset', "True"
    if on["storage"] and data.storage.backend == "s3" and data.storage.s3 is None:
        example = '"s3": {"endpoint": "https://s3.eu-central-1.amazonaws.com", "region": "eu-central-1", "bucket": "my-files"}'
        yield "storage.s3", f'is missing; backend = "s3" needs in storage:  {example}', None
    for field in ("environment", "secret_environment"):
        for kind, value in written.get(field, {}).items():
            if value and not on[kind]:
                yield f"{field}.{kind}", f"the service is off: switch services.{kind} on, or remove this", None


def _wrong_name(name: object) -> str | None:
    if not isinstance(name, str) or not names.INSTANCE.fullmatch(name):
        return (
            "the name of an instance must be a small letter followed by up to 12 small letters or digits: it becomes part of "
            "Unix users, units and database roles"
        )
    if name in names.RESERVED_INSTANCES:
        return f"no instance may have one of these names: {', '.join(sorted(names.RESERVED_INSTANCES))}"
    return None


def _defaults(source: HostInput, found: list[Mistake]) -> dict[str, Any]:
    """`instance_defaults`, checked by itself: its mistakes are told once, not with every instance."""
    value, file = source.value("instance_defaults") or {}, source.file("instance_defaults")
    if not isinstance(value, dict):
        found.append(Mistake(file, "instance_defaults", "must be a dictionary", value=shown(value)))
        return {}
    right = _parsed(InstanceData, value, found, lambda _: file, prefix="instance_defaults.")
    return {} if right is None else value


def _parsed(
    model: type[_Model],
    value: dict[str, Any],
    found: list[Mistake],
    file: Callable[[str], str],
    instance: str | None = None,
    prefix: str = "",
) -> _Model | None:
    """The model of `value`; None, and its mistakes added to `found`, when it is wrong. `file` is that of a top-level key."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        for item in error.errors(include_url=False):
            top, *below = (part for part in item["loc"] if part != "[key]")
            field = named(top) + "".join(f"[{part}]" if isinstance(part, int) else f".{named(part)}" for part in below)
            found.append(Mistake(file(str(top)), prefix + field, _problem(item, model), instance, _value(item)))
        return None


def _problem(item: Any, model: type[BaseModel]) -> str:
    kind, (*path, last) = item["type"], item["loc"]
    if kind == "extra_forbidden":
        return f"unknown key; {suggestion(last, _at(model, path).model_fields)}"
    if kind == "missing":
        return f"is missing; {_at(model, path).model_fields[last].description}"
    if last == "[key]":
        return _ALLOWED["invalid_key"]
    if kind == "literal_error":
        return f"must be {item['ctx']['expected']}"
    if kind == "value_error":
        return str(item["ctx"]["error"])
    return _ALLOWED[kind]


def _at(model: type[BaseModel], path: list[str]) -> type[BaseModel]:
    """The model below `path`."""
    for part in path:
        annotation: Any = model.model_fields[part].annotation
        model = next(option for option in (annotation, *get_args(annotation)) if hasattr(option, "model_fields"))
    return model


def _value(item: Any) -> str | None:
    """What may be shown of a wrong value: not what a secret could have been typed into, of a key only what is public."""
    field, value = item["loc"][0], item["input"]
    if item["type"] in ("extra_forbidden", "missing", "invalid_key") or field in _UNSHOWN:
        return None
    if field == "operators" and not str(value).startswith(("ssh-", "ecdsa-", "sk-")):
        return None
    return shown(value)
