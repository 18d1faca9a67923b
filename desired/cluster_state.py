"""What a PostgreSQL cluster holds of ours, as `facts.postgresql.Cluster` tells it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

from desired.inside_state import ObservedInside, observed_inside
from desired.record import Record, recorded


@dataclass(frozen=True)
class Absent:
    """There is no PostgreSQL to ask: no psql, no user postgres, or nothing that listens. `reason` is the last word of the try."""

    reason: str


@dataclass(frozen=True)
class Unreachable:
    """A server answered, but not the question. `reason`: its message, without the statement."""

    reason: str


class ObservedMembership(NamedTuple):
    role: str
    admin: bool
    inherit: bool
    set: bool


class ObservedRole(NamedTuple):
    """`password`: sha256 hex of what pg_authid holds, None for none. `expires`: it has a VALID UNTIL. `settings`: it has some."""

    name: str
    comment: str | None
    login: bool
    inherit: bool
    superuser: bool
    createdb: bool
    createrole: bool
    replication: bool
    bypassrls: bool
    limit: int
    expires: bool
    settings: bool
    password: str | None
    member_of: tuple[ObservedMembership, ...]
    parameters: frozenset[str]

    @property
    def is_login(self) -> bool:
        """Whether it is a login of an instance: what pg_hba asks for."""
        return any(membership.role == "supabase_login" for membership in self.member_of)


class Privilege(NamedTuple):
    """Of one role (or `PUBLIC`) on a database, the database owner's own left out."""

    role: str
    privilege: str
    grantable: bool


@dataclass(frozen=True)
class ObservedDatabase:
    """`settings`: role to setting to value, as ALTER ROLE … IN DATABASE … SET left it. `superuser`: its owner is one."""

    name: str
    comment: str | None
    owner: str
    superuser: bool
    encoding: str
    limit: int
    open: bool
    template: bool
    privileges: tuple[Privilege, ...]
    settings: Mapping[str, Mapping[str, str]]

    @cached_property
    def record(self) -> Record:
        return recorded(self.comment)


@dataclass(frozen=True)
class Observed:
    """`version`: as in server_version_num. Before 16 nothing else is known. `settings`: the server's, by name. `every`: kind of
    object, as in pg_default_acl, to all privileges there are on it.

    `insides`: of the databases that were asked for and could be entered; `shut`: of the others, database to psql's last word.
    `marks`: database to what stays the same while nobody writes to it and what it is judged by stays; those that somebody may be
    writing to have none. `unwritten`: the databases whose inside was as wanted when they had the mark that they have now."""

    version: int
    settings: Mapping[str, str]
    pending_restart: tuple[str, ...]
    extensions: frozenset[str]
    foreign_roles: frozenset[str]
    superusers: frozenset[str]
    every: Mapping[str, frozenset[str]]
    roles: Mapping[str, ObservedRole]
    databases: Mapping[str, ObservedDatabase]
    insides: Mapping[str, ObservedInside] = field(default_factory=dict)
    shut: Mapping[str, str] = field(default_factory=dict)
    marks: Mapping[str, str] = field(default_factory=dict)
    unwritten: frozenset[str] = frozenset()

    def remembering(self, before: Mapping[str, str]) -> "Observed":
        """`before`: database to the mark that it had when its inside was as wanted."""
        left = (name for name, mark in before.items() if name not in self.insides and mark == self.marks.get(name))
        return replace(self, unwritten=frozenset(left))

    @cached_property
    def logins(self) -> frozenset[str]:
        """Those of every instance."""
        return frozenset(role.name for role in self.roles.values() if role.is_login)


Observation = Absent | Unreachable | Observed


def observed(
    document: Mapping[str, Any], insides: Iterable[Mapping[str, Any]] = (), shut: Mapping[str, str] | None = None
) -> Observed:
    """The observation in the JSON of observe.sql and, for each database, of observe_inside.sql.

    Raises KeyError or TypeError when it is something else."""
    return Observed(
        version=document["version"],
        settings=document.get("settings", {}),
        pending_restart=tuple(sorted(document.get("pending_restart", ()))),
        extensions=frozenset(document.get("extensions", ())),
        foreign_roles=frozenset(document.get("foreign_roles", ())),
        superusers=frozenset(document.get("superusers", ())),
        every={kind: frozenset(privileges) for kind, privileges in document.get("every", {}).items()},
        roles={item["name"]: _role(item) for item in document.get("roles", ())},
        databases={item["name"]: _database(item) for item in document.get("databases", ())},
        insides={item["inside"]: observed_inside(item) for item in insides},
        shut=shut or {},
        marks=document.get("marks", {}),
    )


def _role(item: Mapping[str, Any]) -> ObservedRole:
    member_of = tuple(sorted(ObservedMembership(*membership) for membership in item["member_of"]))
    return ObservedRole(**{**item, "member_of": member_of, "parameters": frozenset(item["parameters"])})


def _database(item: Mapping[str, Any]) -> ObservedDatabase:
    settings = {
        role: {key: value for key, _, value in (entry.partition("=") for entry in entries)}
        for role, entries in item["settings"].items()
    }
    privileges = tuple(sorted(Privilege(*privilege) for privilege in item["privileges"]))
    return ObservedDatabase(**{**item, "privileges": privileges, "settings": settings})
