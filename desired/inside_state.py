"""What is inside an instance's database, as observe_inside.sql tells it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


class Grant(NamedTuple):
    """On one of our schemas, to a role or `PUBLIC`; the schema owner's own left out."""

    schema: str
    privilege: str
    role: str


class Default(NamedTuple):
    """What `role` creates in `schema` gives `grantee` privileges; `kind` as in pg_default_acl."""

    role: str
    schema: str
    kind: str
    grantee: str


class Watch(NamedTuple):
    """An event trigger with its function. `owners`: of both; `body`: sha256 hex of the function's text."""

    event: str
    enabled: str
    tags: frozenset[str]
    owners: frozenset[str]
    function: str
    language: str
    definer: bool
    settings: tuple[str, ...]
    body: str


@dataclass(frozen=True)
class ObservedInside:
    """`schemas`: name to owner. `defaults`: to privileges. `publication`: its owner. `planted`: roles that own something in
    `extensions`."""

    schemas: Mapping[str, str]
    grants: frozenset[Grant]
    defaults: Mapping[Default, frozenset[str]]
    extensions: frozenset[str]
    publication: str | None
    watches: Mapping[str, Watch]
    planted: frozenset[str]


def observed_inside(document: Mapping[str, Any]) -> ObservedInside:
    """Raises KeyError or TypeError when it is something else."""
    return ObservedInside(
        schemas=document["schemas"],
        grants=frozenset(Grant(*grant) for grant in document["grants"]),
        defaults={Default(*default): frozenset(privileges) for *default, privileges in document["defaults"]},
        extensions=frozenset(document["extensions"]),
        publication=document["publication"],
        watches={item["name"]: _watch(item) for item in document["watches"]},
        planted=frozenset(document["planted"]),
    )


def _watch(item: Mapping[str, Any]) -> Watch:
    sets = {key: frozenset(item[key]) for key in ("tags", "owners")}
    return Watch(**{**{key: value for key, value in item.items() if key != "name"}, **sets, "settings": tuple(item["settings"])})
