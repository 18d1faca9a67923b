"""What a host's PostgreSQL cluster is to hold: shared roles, and for each instance its logins and one database.

The roles are those that ran with the real migrations of Auth, Storage and Realtime on PostgreSQL 15, 17 and 18; names and
limits here are this project's.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from desired import names
from desired.estate import Host
from desired.inside import API, Inside
from desired.instance import Instance
from desired.record import Record

#: auth's and realtime's migrations name this role, and an instance that owned its database could let others in.
DATABASE_OWNER: Final = "postgres"
#: What max_connections has for an instance (45 each and 20 besides): one that floods its database takes no other's.
DATABASE_LIMIT: Final = 45
SHARED_COMMENT: Final = "supabase: shared role"

_SHARED = (
    *API,
    *("dashboard_user", "supabase_auth_admin", "supabase_login", "supabase_realtime_admin", "supabase_storage_admin"),
)


class Membership(NamedTuple):
    """The member's right to another role; never ADMIN, which would let an instance share it on."""

    role: str
    inherit: bool
    set: bool = True


@dataclass(frozen=True)
class Role:
    """`limit`: connections, -1 is none. `verifier`: the login whose SCRAM verifier is its password, None for no password.

    `privileges` and `settings` are those in the instance's own database."""

    name: str
    comment: str
    login: bool = True
    inherit: bool = True
    superuser: bool = False
    replication: bool = False
    bypassrls: bool = False
    limit: int = -1
    verifier: str | None = None
    member_of: tuple[Membership, ...] = ()
    parameters: tuple[str, ...] = ()
    privileges: tuple[str, ...] = ()
    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """What roles.sql reads."""
        keys = ("login", "inherit", "superuser", "replication", "bypassrls", "limit", "verifier")
        flags = {key: getattr(self, key) for key in keys}
        member_of = [{"role": m.role, "inherit": m.inherit, "set": m.set} for m in self.member_of]
        return {"name": self.name, "comment": self.comment, **flags, "member_of": member_of, "parameters": list(self.parameters)}


@dataclass(frozen=True)
class WantedInstance:
    """`roles`: the owner first. `digests`: login to the sha256 hex of its verifier, None while it is not known."""

    name: str
    database: str
    user: str
    create: bool
    roles: tuple[Role, ...]
    digests: Mapping[str, str | None]
    record: Record

    @property
    def comment(self) -> str:
        """On each of its roles and, followed by the record, on its database."""
        return f"supabase: instance {self.name}"

    @property
    def inside(self) -> Inside:
        services = {service: names.service_login(self.name, service) for service in names.LOGIN_SERVICES}
        return Inside({"owner": names.owner(self.name), **services})

    def document(self, verifiers: Collection[str] = ()) -> dict[str, Any]:
        """What roles.sql, database.sql and schema.sql read: the whole wanted state, no secret in it.

        `verifiers`: the logins whose verifier comes with it."""
        return {
            "instance": self.name,
            "repair": True,
            "verifiers": {login: digest for login, digest in self.digests.items() if login in verifiers},
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
            "inside": self.inside.document(),
        }


@dataclass(frozen=True)
class WantedCluster:
    shared: tuple[Role, ...]
    instances: tuple[WantedInstance, ...]


def wanted(host: Host, digests: Mapping[str, str | None], records: Mapping[str, Record] | None = None) -> WantedCluster:
    """The cluster of `host`; `digests`: login to sha256 hex of its verifier, None or absent while the secret is pending.
    `records`: instance to what its services make besides; none where they do not run.

    Every login exists whether its service is on or not: switching a service changes no role, and its schema keeps its owner.
    """
    shared = tuple(Role(name, SHARED_COMMENT, login=False, bypassrls=name == "service_role") for name in sorted(_SHARED))
    instances = (_instance(item, digests, (records or {}).get(item.name, Record())) for item in host.instances)
    return WantedCluster(shared, tuple(instances))


def _instance(item: Instance, digests: Mapping[str, str | None], record: Record) -> WantedInstance:
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
            verifier=owner,
            member_of=_member_of(*API, storage, "supabase_realtime_admin"),
            privileges=("CONNECT", "CREATE", "TEMPORARY"),
            settings=search_path,
        ),
        Role(
            rest,
            comment,
            inherit=False,
            limit=10,
            member_of=_member_of(*API, inherit=False),
            privileges=use,
            # PostgREST hands every request's headers, API keys included, to the database as a statement's parameters: a server
            # that logs statements would write them down.
            settings={"lock_timeout": ("8s",), "log_parameter_max_length": ("0",), "statement_timeout": ("8s",)},
        ),
        Role(
            auth,
            comment,
            limit=10,
            verifier=auth if auth in item.verifiers else None,
            member_of=_member_of("supabase_auth_admin"),
            privileges=use,
            settings={"idle_in_transaction_session_timeout": ("60s",), "search_path": ("auth",)},
        ),
        Role(
            storage,
            comment,
            limit=10,
            member_of=_member_of(*API, "supabase_storage_admin"),
            privileges=use,
            settings={"search_path": ("storage",)},
        ),
        Role(
            realtime,
            comment,
            # Breaks every wall; asked for by a person who has seen it fail without.
            superuser=item.realtime["superuser"],
            replication=True,
            limit=20,
            member_of=_member_of(*API, "supabase_realtime_admin"),
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
                verifier=owner,
                member_of=_member_of(owner),
                settings={"role": (owner,), **search_path},
            )
        )
    known = {login: digests.get(login) for login in item.verifiers}
    return WantedInstance(item.name, item.database, item.database_user, item.create_database, tuple(roles), known, record)


def _member_of(*roles: str, inherit: bool = True) -> tuple[Membership, ...]:
    """`supabase_login` is what pg_hba asks for; it confers nothing, not even SET ROLE."""
    login = Membership("supabase_login", inherit=False, set=False)
    return tuple(sorted([login, *(Membership(role, inherit) for role in roles)]))
