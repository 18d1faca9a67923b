"""Where a new instance goes, and what the hosts' data are once it stands there."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from desired.errors import Invalid, Mistake
from desired.instance import Instance
from desired.shown import named, shown, suggestion
from desired.sources import HostInput

KEYS = ("instance", "subdomain", "host")


@dataclass(frozen=True)
class Placement:
    """`file`: where the entry stands or will; `new`: whether it is yet to be written. `inputs`: the hosts' data with it."""

    name: str
    host: str
    file: str
    entry: Mapping[str, Any]
    new: bool
    inputs: tuple[HostInput, ...]


def placed(inputs: Iterable[HostInput], asked: Mapping[str, Any]) -> Placement:
    """What `--data` asks for, put into the data. Raises Invalid for what `--data` cannot mean; its values are checked with all
    others, by `validate` of the inputs."""
    sources = tuple(inputs)
    check_keys(asked, KEYS)
    if "instance" not in asked:
        raise Invalid([Mistake("--data", "instance", "name the new instance: --data instance=NAME")])
    if not isinstance(asked["instance"], str):
        raise Invalid([Mistake("--data", "instance", "must be a name", value=shown(asked["instance"]))])
    name, entry = asked["instance"], {key: asked[key] for key in ("subdomain",) if key in asked}
    there = [source for source in sources if name in _instances(source)]
    host = _host([source.name for source in there or sources if source.files("instances")], sources, asked)
    source = next(source for source in sources if source.name == host)
    file = source.file("instances")
    if name in _instances(source):
        return Placement(name, host, file, entry, False, sources)
    return Placement(name, host, file, entry, True, tuple(_with(source, file, name, entry) for source in sources))


def check_again(placement: Placement, instance: Instance) -> None:
    """Raise Invalid when an instance that is there already is not the one that was asked for."""
    subdomain = placement.entry.get("subdomain", instance.subdomain)
    if not placement.new and subdomain != instance.subdomain:
        problem = (
            f"{instance.name} is there already, as {instance.url}: change it in {placement.file} and run "
            f"`just deploy --data instance={instance.name}`, or choose another name"
        )
        raise Invalid([Mistake("--data", "subdomain", problem, value=shown(subdomain))])


def check_keys(asked: Mapping[str, Any], keys: Collection[str]) -> None:
    """Raise Invalid for what a deploy file does not read."""
    mistakes = [Mistake("--data", named(key), f"unknown key; {suggestion(key, keys)}") for key in asked if key not in keys]
    if mistakes:
        raise Invalid(mistakes)


def _host(able: list[str], sources: tuple[HostInput, ...], asked: Mapping[str, Any]) -> str:
    """The host that was named, else the only one of those that are `able` to take it."""
    listed = ", ".join(sorted(able))
    if "host" in asked:
        if asked["host"] in able:
            return str(asked["host"])
        known = {source.name for source in sources}
        problem = f"no host that could take it; these could: {listed or 'none'}"
        if asked["host"] in known and not able:
            problem = "it has no `instances` in group_data; give its group a file with  instances = {}"
        raise Invalid([Mistake("--data", "host", problem, value=shown(asked["host"]))])
    if len(able) == 1:
        return able[0]
    problem = f"several could take it; name one: --data host=... ({listed})"
    if not able:
        problem = "no host has `instances` in group_data; give its group a file with  instances = {}"
    raise Invalid([Mistake("--data", "host", problem)])


def _instances(source: HostInput) -> Mapping[Any, Any]:
    value = source.value("instances")
    return value if isinstance(value, dict) else {}


def _with(source: HostInput, file: str, name: Any, entry: Mapping[str, Any]) -> HostInput:
    """The entry reaches every host that reads the file."""
    layers = tuple(
        replace(layer, data={**layer.data, "instances": {**layer.data["instances"], name: dict(entry)}})
        if layer.file == file and isinstance(layer.data.get("instances"), dict)
        else layer
        for layer in source.layers
    )
    return replace(source, layers=layers)
