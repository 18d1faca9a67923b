"""The SQL stream that makes announced changes: static files, each told by one JSON document what is wanted.

The files bring about the whole wanted state of what they are given, whatever they find: a stream that was cut anywhere, or
that was planned before PostgreSQL was there, converges all the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from desired.cluster import WantedCluster, WantedInstance
from desired.cluster_diff import SqlChange
from desired.names import service_login
from desired.record import Record
from desired.sql_text import STATIC, connect, setting


def needs_verifier(changes: Sequence[SqlChange]) -> tuple[str, ...]:
    """The logins whose verifier the stream's first line must bring, sorted."""
    return tuple(sorted({item.verifier for item in changes if item.verifier is not None}))


def stream(wanted: WantedCluster, changes: Sequence[SqlChange], *, repair_shared: bool) -> str:
    """SQL for the stdin of one superuser psql that is connected to `postgres`; empty when there is nothing to change.

    It holds no secret: where `needs_verifier` names a login, a line from `verifier_line` or `with_verifiers` goes before.
    """
    touched = {(item.part, item.change.instance) for item in changes if item.part not in ("bucket", "version")}
    if not touched:
        return ""
    verifiers = needs_verifier(changes)
    pieces = [STATIC["prelude"]]
    if ("shared", None) in touched:
        document = {"repair": repair_shared, "roles": [role.document() for role in wanted.shared]}
        pieces += [setting("supabase.plan", document), STATIC["roles"]]
    plans = {item.name: setting("supabase.plan", item.document(verifiers)) for item in wanted.instances}
    for item in wanted.instances:
        parts = [part for part in ("roles", "database") if (part, item.name) in touched]
        if parts:
            pieces += [plans[item.name], *(STATIC[part] for part in parts)]
    lent = [Migration(item, admin=True) for item in wanted.instances if ("migrations", item.name) in touched]
    if lent:
        pieces.append(_migrations(lent))
    for item in wanted.instances:
        if ("schema", item.name) in touched:
            pieces += [connect(item.database), STATIC["prelude"], plans[item.name], STATIC["schema"]]
    return "".join(pieces)


@dataclass(frozen=True)
class Migration:
    """`admin`: realtime's login may grant its shared role on; `record`: what is known to be made from now on."""

    instance: WantedInstance
    admin: bool
    record: Record | None = None


def migrations(items: Sequence[Migration]) -> str:
    """A stream of its own: what realtime's logins may grant on, and what is known to be made; empty without instances."""
    return STATIC["prelude"] + _migrations(items) if items else ""


def _migrations(items: Sequence[Migration]) -> str:
    documents = [
        {
            "login": service_login(item.instance.name, "realtime"),
            "admin": item.admin,
            "database": item.instance.database,
            "comment": item.record.text(item.instance.comment) if item.record else None,
        }
        for item in items
    ]
    return setting("supabase.migrations", documents) + STATIC["migrations"]
