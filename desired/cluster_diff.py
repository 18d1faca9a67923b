"""Wanted cluster minus observed cluster: what stops the run, and what it will change."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from desired.changes import Change
from desired.cluster import DATABASE_LIMIT, DATABASE_OWNER, Role, WantedCluster, WantedInstance
from desired.cluster_state import Observation, Observed, ObservedDatabase, ObservedRole, Unreachable
from desired.errors import HostStop

OLDEST = 160000

Part = Literal["shared", "roles", "database", "schema"]


@dataclass(frozen=True)
class SqlChange:
    """One announced change, and the part of the SQL stream that makes it; `verifier`: it needs the instance's verifier."""

    change: Change
    part: Part
    verifier: bool = False


def difference(wanted: WantedCluster, observed: Observation, only: str | None = None) -> tuple[SqlChange, ...]:
    """What is to be changed, in the order it is done; with `only`, for this instance alone.

    A host without PostgreSQL (Absent) needs everything. Shared roles are repaired in a full run; a targeted run makes those
    that are missing. Raises HostStop with every reason that forbids the run.
    """
    instances = [item for item in wanted.instances if only in (None, item.name)]
    if not instances:
        return ()
    if isinstance(observed, Unreachable):
        raise HostStop(f"PostgreSQL is there but cannot be read: {observed.reason}")
    reasons = list(_refusals(wanted, instances, observed)) if isinstance(observed, Observed) else []
    if reasons:
        raise HostStop("the PostgreSQL of this host cannot be used:\n" + "\n".join(f"  {reason}" for reason in reasons))
    changes = list(_shared(wanted.shared, observed, repair=only is None))
    for item in instances:
        changes.extend(_roles(item, observed))
        changes.extend(_database(item, observed))
    return tuple(changes)


def _refusals(wanted: WantedCluster, instances: list[WantedInstance], observed: Observed) -> Iterator[str]:
    if observed.version < OLDEST:
        major = observed.version // 10000
        yield f"version {major} is too old; 16 is the oldest that works: set services.postgresql.package and upgrade the data"
        return
    for role in wanted.shared:
        yield from _foreign(role, observed)
    for item in instances:
        owner = observed.roles.get(item.roles[0].name)
        born = re.fullmatch(rf"{item.comment} database (\S+) user (\S+)", (owner.comment if owner else None) or "")
        if born is None:
            yield from _foreign(item.roles[0], observed)
        else:
            for field, then, now in [("name", born[1], item.database), ("user", born[2], item.user)]:
                if then != now:
                    yield (
                        f"instance {item.name}: database.{field} is {now} in group_data and {then} on the host; it is fixed at"
                        f" birth: write {then}, or make a new instance"
                    )
        for role in item.roles[1:]:
            yield from _foreign(role, observed)
        yield from _refused_database(item, observed.databases.get(item.database), unborn=owner is None)


def _foreign(role: Role, observed: Observed) -> Iterator[str]:
    actual = observed.roles.get(role.name)
    if role.name in observed.foreign_roles or (actual is not None and actual.comment != role.comment):
        yield (
            f"role {role.name} exists and was not made by this project; if nothing else uses it, drop it, or hand it over:"
            f" COMMENT ON ROLE {role.name} IS '{role.comment}'"
        )


def _refused_database(item: WantedInstance, actual: ObservedDatabase | None, *, unborn: bool) -> Iterator[str]:
    where = f"instance {item.name}: database {item.database}"
    if actual is None:
        if not item.create:
            yield f"{where} does not exist and database.create_database is False; create it, or set it to True"
        return
    comment = actual.comment or ""
    ours = comment == item.comment or comment.startswith(f"{item.comment} ")
    if comment.startswith("supabase: instance ") and not ours:
        yield f"{where} belongs to another instance ({comment.split()[2]}); choose another database.name"
    elif unborn and not ours:
        if item.create:
            yield (
                f"{where} exists and was not made by this project; choose another database.name, or take it over with"
                " database.create_database = False"
            )
        elif not actual.superuser:
            yield f"{where} belongs to role {actual.owner}; first: ALTER DATABASE {item.database} OWNER TO {DATABASE_OWNER}"
    if actual.encoding != "UTF8":
        yield f"{where} has encoding {actual.encoding}; UTF8 is needed: create it anew from template0"
    if actual.template:
        yield f"{where} is a template that anybody may copy: ALTER DATABASE {item.database} IS_TEMPLATE false"


def _shared(roles: tuple[Role, ...], observed: Observation, *, repair: bool) -> Iterator[SqlChange]:
    for role in roles:
        actual = observed.roles.get(role.name) if isinstance(observed, Observed) else None
        if actual is None:
            yield SqlChange(Change(None, "create", f"role {role.name}"), "shared")
        elif repair and (detail := _role_drift(role, actual, None)):
            yield SqlChange(Change(None, "update", f"role {role.name}", ", ".join(detail)), "shared")


def _roles(item: WantedInstance, observed: Observation) -> Iterator[SqlChange]:
    for role in item.roles:
        actual = observed.roles.get(role.name) if isinstance(observed, Observed) else None
        if actual is None:
            yield SqlChange(Change(item.name, "create", f"role {role.name}"), "roles", verifier=role.password)
        elif detail := _role_drift(role, actual, item.digest):
            change = Change(item.name, "update", f"role {role.name}", ", ".join(detail))
            yield SqlChange(change, "roles", verifier=role.password and "password" in detail)


def _role_drift(role: Role, actual: ObservedRole, digest: str | None) -> list[str]:
    """What differs, in the words of ALTER ROLE and GRANT. An unknown digest differs from every password."""
    drift = [f"NO{key.upper()}" for key in ("superuser", "createdb", "createrole") if getattr(actual, key)]
    for key in ("login", "inherit", "replication", "bypassrls"):
        if getattr(role, key) != getattr(actual, key):
            drift.append(("" if getattr(role, key) else "NO") + key.upper())
    if role.limit != actual.limit:
        drift.append(f"CONNECTION LIMIT {role.limit}")
    if actual.expires:
        drift.append("VALID UNTIL infinity")
    if role.password and (digest is None or digest != actual.password):
        drift.append("password")
    if not role.password and actual.password is not None:
        drift.append("no password")
    wanted = {membership.role: membership for membership in role.member_of}
    for membership in actual.member_of:
        right = wanted.pop(membership.role, None)
        if right is None:
            drift.append(f"not a member of {membership.role}")
        elif (False, right.inherit, right.set) != (membership.admin, membership.inherit, membership.set):
            drift.append(f"options of its membership in {membership.role}")
    drift.extend(f"member of {name}" for name in wanted)
    drift.extend(f"SET ON PARAMETER {name}" for name in role.parameters if name not in actual.parameters)
    return drift


def _database(item: WantedInstance, observed: Observation) -> Iterator[SqlChange]:
    what = f"database {item.database}"
    actual = observed.databases.get(item.database) if isinstance(observed, Observed) else None
    if actual is None or not isinstance(observed, Observed):
        yield SqlChange(Change(item.name, "create", what), "database")
        yield SqlChange(Change(item.name, "create", f"schemas of {what}"), "schema")
        return
    if drift := list(_database_drift(item, actual)):
        yield SqlChange(Change(item.name, "update", what, ", ".join(drift)), "database")
    if actual.comment != item.database_comment(observed.extensions):
        yield SqlChange(Change(item.name, "update", f"schemas of {what}"), "schema")


def _database_drift(item: WantedInstance, actual: ObservedDatabase) -> Iterator[str]:
    if actual.owner != DATABASE_OWNER:
        yield f"OWNER TO {DATABASE_OWNER}"
    if not actual.open:
        yield "ALLOW_CONNECTIONS"
    if actual.limit != DATABASE_LIMIT:
        yield f"CONNECTION LIMIT {DATABASE_LIMIT}"
    missing = {(role.name, privilege) for role in item.roles for privilege in role.privileges}
    for entry in actual.privileges:
        if (entry.role, entry.privilege) in missing and not entry.grantable:
            missing.remove((entry.role, entry.privilege))
        elif (entry.role, entry.privilege) not in missing:
            yield f"REVOKE {entry.privilege} FROM {entry.role}"
    for role in item.roles:
        grants = [privilege for privilege in role.privileges if (role.name, privilege) in missing]
        if grants:
            yield f"GRANT {', '.join(grants)} TO {role.name}"
        held = actual.settings.get(role.name, {})
        unset = [key for key, value in role.settings.items() if held.get(key) != ", ".join(map(_stored, value))]
        if unset:
            yield f"SET {', '.join(unset)} of {role.name}"


def _stored(word: str) -> str:
    """How PostgreSQL keeps one element of a list setting: quoted unless it is a plain name. Times keep their unit."""
    return word if re.fullmatch(r"[a-z0-9_]+", word) else f'"{word}"'
