"""What the inside of an instance's database is to hold, and its difference from what is there.

Ours to enforce: who owns our schemas, the grants, default privileges and triggers that the services and PostgREST need, and
the walls: nobody creates in our schemas by being PUBLIC, no login of another instance has anything in them, and nobody but
superusers in `extensions`. What the owner has granted besides, to whom he likes, is his.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from desired.inside_state import Default, Grant, ObservedInside, Watch
from desired.sql_text import STATIC

API: Final = ("anon", "authenticated", "service_role")
#: Wanted where the server has them: the sandbox's PostgreSQL comes without contrib.
EXTENSIONS: Final = ("pgcrypto", "uuid-ossp")
#: Each schema of an instance, the kind of login that owns it, and the shared role its service's migrations may hand it to.
SCHEMAS: Final = {
    "public": ("owner", ()),
    "auth": ("auth", ("supabase_auth_admin",)),
    "storage": ("storage", ("supabase_storage_admin",)),
    "realtime": ("realtime", ("supabase_realtime_admin",)),
    "_realtime": ("realtime", ("supabase_realtime_admin",)),
    "graphql_public": ("owner", ()),
}
#: PostgREST reloads its schema cache when one of these ran; drops have their own trigger.
_DDL_TAGS = (
    *("CREATE SCHEMA", "ALTER SCHEMA", "CREATE TABLE", "CREATE TABLE AS", "SELECT INTO", "ALTER TABLE"),
    *("CREATE FOREIGN TABLE", "ALTER FOREIGN TABLE", "CREATE VIEW", "ALTER VIEW", "CREATE MATERIALIZED VIEW"),
    *("ALTER MATERIALIZED VIEW", "CREATE FUNCTION", "ALTER FUNCTION", "CREATE PROCEDURE", "ALTER PROCEDURE"),
    *("CREATE TRIGGER", "CREATE TYPE", "ALTER TYPE", "CREATE RULE", "COMMENT", "GRANT", "REVOKE"),
)
_WATCHES = (("pgrst_ddl_watch", "ddl_command_end", _DDL_TAGS), ("pgrst_drop_watch", "sql_drop", ()))
_KINDS = {"r": "TABLES", "S": "SEQUENCES", "f": "FUNCTIONS"}


@dataclass(frozen=True)
class Server:
    """What the inside of a database is judged by. `every`: the privileges on each kind of object; `strangers`: the logins of
    other instances."""

    extensions: Collection[str]
    superusers: Collection[str]
    every: Mapping[str, Collection[str]]
    strangers: Collection[str]


@dataclass(frozen=True)
class Inside:
    """`logins`: the instance's logins by kind: owner, authenticator, auth, storage, realtime."""

    logins: Mapping[str, str]

    @property
    def usage(self) -> dict[str, tuple[str, ...]]:
        """Schema to the roles that have USAGE on it."""
        owner = self.logins["owner"]
        return {
            "extensions": (*API, "supabase_realtime_admin", *self.logins.values()),
            "public": API,
            "graphql_public": API,
            "auth": (*API, owner),
            "storage": (*API, owner),
            "realtime": (owner,),
        }

    @property
    def defaults(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """Role and schema to the roles that get everything on what that role creates there."""
        of = self.logins
        return {(of["owner"], "public"): API, (of["auth"], "auth"): (of["owner"],), (of["storage"], "storage"): API}

    def document(self) -> dict[str, Any]:
        """What schema.sql reads as `inside`."""
        return {
            "schemas": [{"name": name, "owner": self.logins[kind], "may": list(may)} for name, (kind, may) in SCHEMAS.items()],
            "usage": [{"schema": schema, "roles": list(roles)} for schema, roles in self.usage.items()],
            "defaults": [{"role": role, "schema": schema, "roles": list(to)} for (role, schema), to in self.defaults.items()],
            "extensions": list(EXTENSIONS),
            "publication": self.logins["owner"],
            "watches": [
                {"name": name, "event": event, "tags": list(tags), "body": STATIC[name]} for name, event, tags in _WATCHES
            ],
        }

    def drift(self, actual: ObservedInside, server: Server) -> Iterator[str]:
        """What differs, in the words of the statements that end it."""
        for name in EXTENSIONS:
            if name in server.extensions and name not in actual.extensions:
                yield f"CREATE EXTENSION {name}"
        yield from self._schemas(actual)
        for grant in sorted(actual.grants):
            open_to_all = (grant.role, grant.privilege) == ("PUBLIC", "CREATE")
            if grant.schema in SCHEMAS and (grant.role in server.strangers or open_to_all):
                yield f"REVOKE {grant.privilege} ON SCHEMA {grant.schema} FROM {grant.role}"
        for schema, roles in self.usage.items():
            if missing := [role for role in roles if Grant(schema, "USAGE", role) not in actual.grants]:
                yield f"GRANT USAGE ON SCHEMA {schema} TO {', '.join(missing)}"
        yield from self._defaults(actual, server)
        if actual.publication is None:
            yield "CREATE PUBLICATION supabase_realtime"
        elif actual.publication != self.logins["owner"]:
            yield f"ALTER PUBLICATION supabase_realtime OWNER TO {self.logins['owner']}"
        for name, event, tags in _WATCHES:
            watch = actual.watches.get(name)
            if watch is None or not watch.owners.issubset(server.superusers) or watch != _watch(name, event, tags, watch):
                yield f"EVENT TRIGGER {name}"

    def _schemas(self, actual: ObservedInside) -> Iterator[str]:
        for name in ("extensions", *SCHEMAS):
            if name not in actual.schemas:
                yield f"CREATE SCHEMA {name}"
        for name, (kind, may) in SCHEMAS.items():
            if actual.schemas.get(name, self.logins[kind]) not in (self.logins[kind], *may):
                yield f"ALTER SCHEMA {name} OWNER TO {self.logins[kind]}"

    def _defaults(self, actual: ObservedInside, server: Server) -> Iterator[str]:
        for (role, schema), roles in self.defaults.items():
            for kind, word in _KINDS.items():
                given = {to: actual.defaults.get(Default(role, schema, kind, to), frozenset()) for to in roles}
                if missing := [to for to, privileges in given.items() if not privileges.issuperset(server.every[kind])]:
                    grant = f"GRANT ALL ON {word} TO {', '.join(missing)}"
                    yield f"ALTER DEFAULT PRIVILEGES FOR ROLE {role} IN SCHEMA {schema} {grant}"


def _watch(name: str, event: str, tags: tuple[str, ...], like: Watch) -> Watch:
    """As schema.sql makes it, by whatever superuser."""
    body = hashlib.sha256(STATIC[name].encode()).hexdigest()
    settings = ("search_path=pg_catalog, pg_temp",)
    return Watch(event, "O", frozenset(tags), like.owners, f"extensions.{name}", "plpgsql", False, settings, body)


def planted(actual: ObservedInside, database: str, superusers: Collection[str]) -> Iterator[str]:
    """Why a superuser may not create in `extensions`: an extension's script would call what somebody has planted there."""
    where, look = f"schema extensions of database {database}", "look what is in it, then, as postgres there:"
    owner = actual.schemas.get("extensions")
    if owner is None:
        return
    if owner not in superusers:
        yield f"{where} belongs to {owner}; {look} ALTER SCHEMA extensions OWNER TO postgres"
    for grant in sorted(actual.grants):
        if (grant.schema, grant.privilege) == ("extensions", "CREATE") and grant.role not in superusers:
            yield f"{where} lets {grant.role} create in it; {look} REVOKE CREATE ON SCHEMA extensions FROM {grant.role}"
    for role in sorted(actual.planted.difference(superusers)):
        yield f"{where} holds what belongs to {role}; {look} drop that, or hand it to postgres"
