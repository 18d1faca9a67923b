"""The SQL stream that makes announced changes: static files, each told by one JSON document what is wanted.

The files bring about the whole wanted state of what they are given, whatever they find: a stream that was cut anywhere, or
that was planned before PostgreSQL was there, converges all the same.
"""

from collections.abc import Sequence

from desired.cluster import WantedCluster
from desired.cluster_diff import SqlChange
from desired.sql_text import STATIC, connect, setting


def needs_verifier(changes: Sequence[SqlChange]) -> tuple[str, ...]:
    """The instances whose verifier the stream's first line must bring, sorted."""
    return tuple(sorted({item.change.instance for item in changes if item.verifier and item.change.instance is not None}))


def stream(wanted: WantedCluster, changes: Sequence[SqlChange], *, repair_shared: bool) -> str:
    """SQL for the stdin of one superuser psql that is connected to `postgres`; empty when there is nothing to change.

    It holds no secret: where `needs_verifier` names an instance, a line from `verifier_line` or `with_verifiers` goes before.
    """
    if not changes:
        return ""
    verifiers = needs_verifier(changes)
    touched = {(item.part, item.change.instance) for item in changes}
    pieces = [STATIC["prelude"]]
    if ("shared", None) in touched:
        document = {"repair": repair_shared, "set_password": False, "roles": [role.document() for role in wanted.shared]}
        pieces += [setting("supabase.plan", document), STATIC["roles"]]
    documents = {item.name: item.document(set_password=item.name in verifiers) for item in wanted.instances}
    for item in wanted.instances:
        parts = [part for part in ("roles", "database") if (part, item.name) in touched]
        if parts:
            pieces += [setting("supabase.plan", documents[item.name]), *(STATIC[part] for part in parts)]
    for item in wanted.instances:
        if ("schema", item.name) in touched:
            plan = setting("supabase.plan", documents[item.name])
            pieces += [connect(item.database), STATIC["prelude"], plan, STATIC["schema"]]
    return "".join(pieces)
