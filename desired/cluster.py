"""What a host's PostgreSQL cluster is to hold: shared roles, and for each instance its logins and one database.

The roles are those that ran with the real migrations of Auth, Storage and Realtime on PostgreSQL 15, 17 and 18; names and
limits here are this project's.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from desired import names
from desired.estate import Host
from desired.instance import Instance
from desired.sql_text import STATIC

#: Wanted where the server has them: the sandbox's PostgreSQL comes without contrib.
EXTENSIONS: Final = ("pgcrypto", "uuid-ossp")
#: auth's and realtime's migrations name this role, and an instance that owned its database could let others in.
DATABASE_OWNER: Final = "postgres"
DATABASE_LIMIT: Final = 60
SHARED_COMMENT: Final = "supabase: shared role"

_API = ("anon", "authenticated", "service_role")
_SHARED = (
    *_API,
    *("dashboard_user", "supabase_auth_admin", "supabase_login", "supabase_realtime_admin", "supabase_storage_admin"),
)


@dataclass(frozen=True, order=True)
class Membership:
    """The member's right to another role; never ADMIN, which would let an instance share it on."""

    role: str
    inherit: bool
    set: bool = True


@dataclass(frozen=True)
class Role:
    """`limit`: connections, -1 is none. `privileges` and `settings` are those in the instance's own database."""

    name: str
    comment: str
    login: bool = True
    inherit: bool = True
    replication: bool = False
    bypassrls: bool = False
    limit: int = -1
    password: bool = False
    member_of: tuple[Membership, ...] = ()
    parameters: tuple[str, ...] = ()
    privileges: tuple[str, ...] = ()
    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """What roles.sql reads."""
        flags = {key: getattr(self, key) for key in ("login", "inherit", "replication", "bypassrls", "limit", "password")}
        member_of = [{"role": m.role, "inherit": m.inherit, "set": m.set} for m in self.member_of]
        return {"name": self.name, "comment": self.comment, **flags, "member_of": member_of, "parameters": list(self.parameters)}


@dataclass(frozen=True)
class WantedInstance:
    """`roles`: the owner first. `digest`: sha256 hex of the owner's verifier, None while it is not known."""

    name: str
    database: str
    user: str
    create: bool
    roles: tuple[Role, ...]
    digest: str | None

    @property
    def comment(self) -> str:
        """On each of its roles and, followed by the bootstrap's digest, on its database."""
        return f"supabase: instance {self.name}"

    @property
    def names(self) -> dict[str, str]:
        """The logins that schema.sql grants to, by kind."""
        services = {service: names.service_login(self.name, service) for service in names.LOGIN_SERVICES}
        return {"owner": names.owner(self.name), **services}

    @property
    def bootstrap(self) -> str:
        """sha256 hex of what decides the inside of the database, the server's extensions aside."""
        text = json.dumps([STATIC["schema"], self.database, self.names], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def database_comment(self, available: frozenset[str]) -> str:
        """The comment on a database that schema.sql has been through, on a server with these extensions."""
        text = " ".join([self.bootstrap, *sorted(available.intersection(EXTENSIONS))])
        return f"{self.comment} bootstrap {hashlib.sha256(text.encode()).hexdigest()}"

    def document(self, *, set_password: bool) -> dict[str, Any]:
        """What roles.sql, database.sql and schema.sql read: the whole wanted state, no secret in it."""
        return {
            "instance": self.name,
            "repair": True,
            "set_password": set_password,
            "password_digest": self.digest,
            "roles": [role.document() for role in self.roles],
            "database": {
                "name": self.database,
                "comment": self.comment,
                "create": self.create,
                "owner": DATABASE_OWNER,
                "limit": DATABASE_LIMIT,
                "grants": {role.name: list(role.privileges) for role in self.roles if role.privileges},
                "settings": {
                    role.name: {key: list(value) for key, value in role.settings.items()} for role in self.roles if role.settings
                },
            },
            "names": self.names,
            "extensions": list(EXTENSIONS),
            "bootstrap": self.bootstrap,
        }


@dataclass(frozen=True)
class WantedCluster:
    shared: tuple[Role, ...]
    instances: tuple[WantedInstance, ...]


def wanted(host: Host, digests: Mapping[str, str | None]) -> WantedCluster:
    """The cluster of `host`; `digests`: instance to sha256 hex of its verifier, None or absent while the secret is pending.

    Every login exists whether its service is on or not: switching a service changes no role, and its schema keeps its owner.
    """
    shared = tuple(Role(name, SHARED_COMMENT, login=False, bypassrls=name == "service_role") for name in sorted(_SHARED))
    return WantedCluster(shared, tuple(_instance(item, digests.get(item.name)) for item in host.instances))


def _instance(item: Instance, digest: str | None) -> WantedInstance:
    comment = f"supabase: instance {item.name}"
    owner = names.owner(item.name)
    rest, auth, storage, realtime = (names.service_login(item.name, service) for service in names.LOGIN_SERVICES)
    use = ("CONNECT", "TEMPORARY")
    search_path = {"search_path": ("$user", "public", "extensions")}
    roles = [
        # The owner's comment tells what is fixed at birth.
        Role(
            owner,
            f"{comment} database {item.database} user {item.database_user}",
            bypassrls=True,
            limit=15,
            password=True,
            member_of=_member_of(*_API, storage, "supabase_realtime_admin"),
            privileges=("CONNECT", "CREATE", "TEMPORARY"),
            settings=search_path,
        ),
        Role(
            rest,
            comment,
            inherit=False,
            limit=15,
            member_of=_member_of(*_API, inherit=False),
            privileges=use,
            # PostgREST hands every request's headers, API keys included, to the database as a statement's parameters: a server
            # that logs statements would write them down.
            settings={"lock_timeout": ("8s",), "log_parameter_max_length": ("0",), "statement_timeout": ("8s",)},
        ),
        Role(
            auth,
            comment,
            limit=10,
            member_of=_member_of("supabase_auth_admin"),
            privileges=use,
            settings={"idle_in_transaction_session_timeout": ("60s",), "search_path": ("auth",)},
        ),
        Role(
            storage,
            comment,
            limit=12,
            member_of=_member_of(*_API, "supabase_storage_admin"),
            privileges=use,
            settings={"search_path": ("storage",)},
        ),
        Role(
            realtime,
            comment,
            replication=True,
            limit=25,
            member_of=_member_of(*_API, "supabase_realtime_admin"),
            parameters=("log_min_messages",),
            privileges=("CONNECT", "CREATE", "TEMPORARY"),
        ),
    ]
    if item.database_user != owner:
        # A SCRAM verifier is bound to a salt, not to a role's name (RFC 5802; PostgreSQL salts at random): the owner's serves
        # this login too. It works as the owner from its first statement, so that what it creates belongs to the owner.
        roles.append(
            Role(
                item.database_user,
                comment,
                limit=15,
                password=True,
                member_of=_member_of(owner),
                settings={"role": (owner,), **search_path},
            )
        )
    return WantedInstance(item.name, item.database, item.database_user, item.create_database, tuple(roles), digest)


def _member_of(*roles: str, inherit: bool = True) -> tuple[Membership, ...]:
    """`supabase_login` is what pg_hba asks for; it confers nothing, not even SET ROLE."""
    login = Membership("supabase_login", inherit=False, set=False)
    return tuple(sorted([login, *(Membership(role, inherit) for role in roles)]))
