"""Every name that follows from an instance's name, and the names an instance may not take."""

import re

INSTANCE = re.compile(r"[a-z][a-z0-9]{0,12}")
#: `--data` reads the first three as something other than text, `all` is pyinfra's group of everyone, and the owners of
#: the last two would be roles that belong to the cluster (`supabase_login`, `supabase_admin`).
RESERVED_INSTANCES = frozenset(
    {
        *("true", "false", "null", "all", "login", "admin", "build", "confirmed", "dumps", "epoch", "removed", "returned"),
        *("module", "cluster"),
    }
)

SECRET = re.compile(r"[a-z][a-z0-9-]{0,62}")
#: What a rotation adds to a secret's name: the one that waits for its turn, and the one still accepted.
GENERATIONS = ("-next", "-previous")
DATABASE = re.compile(r"supabase_[a-z0-9_]{1,54}")
ROLE = re.compile(r"[a-z_][a-z0-9_]{0,62}")
#: A variable of a service's environment.
VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
#: A DNS label (RFC 1035): what may stand before the host's domain.
SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

#: Roles that exist once per cluster; no instance may claim one as its user (supabase-stack.md §3.1, pg_roles of PostgreSQL 18).
SHARED_ROLES = frozenset(
    {
        *("anon", "authenticated", "authenticator", "dashboard_user", "pgbouncer", "postgres", "public", "service_role"),
        *("supabase_admin", "supabase_auth_admin", "supabase_etl_admin", "supabase_functions_admin", "supabase_login"),
        *("supabase_read_only_user", "supabase_realtime_admin", "supabase_replication_admin", "supabase_storage_admin"),
    }
)
#: Services that log in to the database under a role of their own.
LOGIN_SERVICES = ("authenticator", "auth", "storage", "realtime")


def owner(instance: str) -> str:
    """The role that owns an instance's own objects: `supabase_prod`."""
    return f"supabase_{instance}"


def service_login(instance: str, service: str) -> str:
    """The login role of one service: `supabase_prod_authenticator`."""
    return f"supabase_{instance}_{service}"


def unit(instance: str, service: str) -> str:
    """The systemd unit of one service; the gateway's is the instance's own (`supabase-prod.service`)."""
    return f"supabase-{instance}.service" if service == "gateway" else f"supabase-{instance}-{service}.service"


def secret(instance: str, kind: str) -> str:
    """The default name of a secret: `supabase-prod-jwt`."""
    return f"supabase-{instance}-{kind}"


def reserved_role(role: str) -> bool:
    """Whether a role of this name belongs to the cluster or to PostgreSQL, not to an instance."""
    return role in SHARED_ROLES or role.startswith("pg_")
