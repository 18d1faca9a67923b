"""Taking an instance away for good: what was asked for, where to look, and which files of the host are its own."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from desired import names
from desired.changes import Change
from desired.cluster_state import Observation, Observed, Unreachable
from desired.creation import check_keys
from desired.errors import HostStop, Invalid, Mistake
from desired.revision import instance_files
from desired.shown import shown
from desired.sources import HostInput
from desired.sql_text import STATIC, setting
from desired.tree import ObservedTree

KEYS = ("instance", "confirm", "keep_database", "host")


@dataclass(frozen=True)
class Asked:
    """`confirmed`: the name was typed again. `host`: None is wherever it is."""

    name: str
    confirmed: bool
    keep_database: bool
    host: str | None


def asked(data: Mapping[str, Any]) -> Asked:
    """What `--data` asks for; raises Invalid. The instance need not be known: it may be left anywhere."""
    check_keys(data, KEYS)
    name, keep, mistakes = data.get("instance"), data.get("keep_database", False), []
    if not isinstance(name, str) or not names.INSTANCE.fullmatch(name) or name in names.RESERVED_INSTANCES:
        problem = "name the instance to delete: --data instance=NAME"
        mistakes.append(Mistake("--data", "instance", problem, value=shown(name) if "instance" in data else None))
    if not isinstance(keep, bool):
        mistakes.append(Mistake("--data", "keep_database", "must be true or false", value=shown(keep)))
    if mistakes:
        raise Invalid(mistakes)
    return Asked(str(name), data.get("confirm") == name, bool(keep), data.get("host"))


def homes(inputs: Iterable[HostInput], slots: Mapping[str, Mapping[str, int]], wanted: Asked) -> tuple[str, ...]:
    """The hosts that may have something of it: the one that group_data or the slot file names, else all. Raises Invalid."""
    sources = {source.name: source for source in inputs}
    named = {host for host, source in sources.items() if wanted.name in _instances(source)}
    found = sorted(named | {host for host, held in slots.items() if wanted.name in held})
    listed = ", ".join(sorted(sources))
    if wanted.host is not None:
        if wanted.host not in sources:
            raise Invalid([Mistake("--data", "host", f"not in the inventory; known: {listed}", value=shown(wanted.host))])
        return (wanted.host,)
    if len(found) > 1:
        raise Invalid([Mistake("--data", "host", f"{wanted.name} is on {' and '.join(found)}: name one, --data host=...")])
    if found and found[0] not in sources:
        problem = (
            f"instance {wanted.name} has a slot on {found[0]}, which the inventory no longer names: put the host back, or, if it "
            "is gone for good, take the host out of slots.json"
        )
        raise Invalid([Mistake("slots.json", found[0], problem)])
    return tuple(found or sorted(host for host, source in sources.items() if source.files("instances")))


def entry_file(inputs: Iterable[HostInput], name: str, host: str) -> str | None:
    """The file of group_data that names it on this host."""
    return next((source.file("instances") for source in inputs if source.name == host and name in _instances(source)), None)


def without(inputs: Iterable[HostInput], name: str, file: str | None) -> tuple[HostInput, ...]:
    """The hosts' data once the file no longer names it."""
    return tuple(replace(source, layers=tuple(_without(layer, name, file) for layer in source.layers)) for source in inputs)


def _without(layer: Any, name: str, file: str | None) -> Any:
    instances = layer.data.get("instances")
    if layer.file != file or not isinstance(instances, dict):
        return layer
    return replace(layer, data={**layer.data, "instances": {key: item for key, item in instances.items() if key != name}})


def tree_files(name: str, observed: ObservedTree) -> tuple[str, ...]:
    """Its files in the module tree, the one that tells of the others last; none that another instance names too."""
    others = {secret for other, item in observed.instances.items() if other != name for secret in item.get("secrets", ())}
    own = instance_files(name, observed.instances.get(name, {}).get("secrets", ()))
    like = re.compile(rf"secrets/supabase-{name}-[a-z0-9-]+\.age")
    found = {path for path in observed.digests if path in own or like.fullmatch(path)}
    found -= {f"secrets/{secret}.age" for secret in others}
    return tuple(sorted(found, reverse=True))


def cluster_changes(name: str, observed: Observation) -> tuple[Change, ...]:
    """The databases and roles whose comment says that they are its own. Raises HostStop when PostgreSQL cannot be read."""
    if isinstance(observed, Unreachable):
        raise HostStop(f"PostgreSQL is there but cannot be read: {observed.reason}")
    if not isinstance(observed, Observed):
        return ()
    held = [("database", item.name, item.comment) for item in observed.databases.values()]
    held += [("role", role.name, role.comment) for role in observed.roles.values()]
    return tuple(Change(name, "remove", f"{kind} {what}") for kind, what, comment in held if _says(comment, name))


def cluster_stream(name: str) -> str:
    """SQL for the stdin of one superuser psql, which removes just these."""
    return STATIC["prelude"] + setting("supabase.plan", {"comment": _comment(name)}) + STATIC["drop"]


def _comment(name: str) -> str:
    return f"supabase: instance {name}"


def _says(comment: str | None, name: str) -> bool:
    return f"{comment or ''} ".startswith(f"{_comment(name)} ")


def _instances(source: HostInput) -> Mapping[Any, Any]:
    value = source.value("instances")
    return value if isinstance(value, dict) else {}
