"""Wanted cluster minus observed cluster: what stops the run, and what it will change."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from desired.changes import Change
from desired.cluster import DATABASE_LIMIT, DATABASE_OWNER, Role, WantedCluster, WantedInstance
from desired.cluster_refusals import refusals
from desired.cluster_state import Observation, Observed, ObservedDatabase, ObservedRole, Unreachable
from desired.errors import HostStop
from desired.inside import Server
from desired.names import service_login
from desired.record import Record
from desired.upgrades import Upgrade, upgrades

#: The shared role that realtime's migrations grant on.
REALTIME_ADMIN = "supabase_realtime_admin"

Part = Literal["shared", "roles", "database", "schema", "migrations", "bucket", "version"]


@dataclass(frozen=True)
class SqlChange:
    """One announced change, and the part of the SQL stream that makes it; `verifier`: the login whose verifier it needs.

    `migrations`, `bucket` and `version` are made by services, once they run: the stream prepares them."""

    change: Change
    part: Part
    verifier: str | None = None


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
    reasons = list(refusals(wanted, instances, observed)) if isinstance(observed, Observed) else []
    reasons += [_not_back(upgrade) for item in instances for upgrade in upgraded(item, observed) if upgrade.back]
    if reasons:
        raise HostStop("the PostgreSQL of this host cannot be used:\n" + "\n".join(f"  {reason}" for reason in reasons))
    changes = list(_shared(wanted.shared, observed, repair=only is None))
    for item in instances:
        changes.extend(_roles(item, observed))
        changes.extend(_database(item, observed))
        changes.extend(_made_by_services(item, observed))
    return tuple(changes)


def as_wanted(wanted: WantedCluster, observed: Observed, changes: Iterable[SqlChange]) -> dict[str, str]:
    """The databases that were entered and whose inside `changes`, all of them, leave as it is: to their marks."""
    others = {item.change.instance for item in changes if item.part == "schema"}
    entered = (item.database for item in wanted.instances if item.name not in others and item.database in observed.insides)
    return {name: observed.marks[name] for name in entered if name in observed.marks}


def _shared(roles: tuple[Role, ...], observed: Observation, *, repair: bool) -> Iterator[SqlChange]:
    for role in roles:
        actual = observed.roles.get(role.name) if isinstance(observed, Observed) else None
        if actual is None:
            yield SqlChange(Change(None, "create", f"role {role.name}"), "shared")
        elif repair and (detail := _role_drift(role, actual)):
            yield SqlChange(Change(None, "update", f"role {role.name}", ", ".join(detail)), "shared")


def _roles(item: WantedInstance, observed: Observation) -> Iterator[SqlChange]:
    lent = service_login(item.name, "realtime") if _unmigrated(item, observed) else None
    for role in item.roles:
        actual = observed.roles.get(role.name) if isinstance(observed, Observed) else None
        if actual is None:
            yield SqlChange(Change(item.name, "create", f"role {role.name}"), "roles", role.verifier)
        elif detail := _role_drift(role, actual, item, lent=role.name == lent):
            change = Change(item.name, "update", f"role {role.name}", ", ".join(detail))
            yield SqlChange(change, "roles", role.verifier if "password" in detail else None)


def _role_drift(role: Role, actual: ObservedRole, item: WantedInstance | None = None, *, lent: bool = False) -> list[str]:
    """What differs, in the words of ALTER ROLE and GRANT. An unknown digest differs from every password.

    `lent`: realtime's login may still have the ADMIN OPTION that its migrations need."""
    drift = [f"NO{key.upper()}" for key in ("createdb", "createrole") if getattr(actual, key)]
    for key in ("superuser", "login", "inherit", "replication", "bypassrls"):
        if getattr(role, key) != getattr(actual, key):
            drift.append(("" if getattr(role, key) else "NO") + key.upper())
    if role.limit != actual.limit:
        drift.append(f"CONNECTION LIMIT {role.limit}")
    if actual.expires:
        drift.append("VALID UNTIL infinity")
    if actual.settings and item is None:
        drift.append("RESET ALL")
    if role.verifier is None and actual.password is not None:
        drift.append("no password")
    elif role.verifier is not None:
        digest = item.digests.get(role.verifier) if item else None
        if digest is None or digest != actual.password:
            drift.append("password")
    wanted = {membership.role: membership for membership in role.member_of}
    for membership in actual.member_of:
        right = wanted.pop(membership.role, None)
        if right is None:
            drift.append(f"not a member of {membership.role}")
            continue
        admin = membership.admin and not (lent and membership.role == REALTIME_ADMIN)
        if (right.inherit, right.set, False) != (membership.inherit, membership.set, admin):
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
    if item.database in observed.unwritten:
        return
    inside = observed.insides.get(item.database)
    strangers = observed.logins.difference(role.name for role in item.roles)
    server = Server(observed.extensions, observed.superusers, observed.every, strangers)
    # A database that is closed now is opened first, and brought to what is wanted whatever it holds.
    if drift := list(item.inside.drift(inside, server)) if inside else ["not seen"]:
        yield SqlChange(Change(item.name, "update", f"schemas of {what}", ", ".join(drift)), "schema")


def _made_by_services(item: WantedInstance, observed: Observation) -> Iterator[SqlChange]:
    made = tuple(_by_services(item, observed))
    yield from made
    have = known(item, observed)
    if not made and item.record.over(have) != have:
        what = f"versions of services in database {item.database}"
        yield SqlChange(Change(item.name, "update", what, "written down"), "version")


def _by_services(item: WantedInstance, observed: Observation) -> Iterator[SqlChange]:
    if _unmigrated(item, observed):
        until = f"{item.record.realtime}; until they are through its login may grant {REALTIME_ADMIN}"
        yield SqlChange(Change(item.name, "update", "migrations of realtime", until), "migrations")
    if item.record.bucket not in (None, known(item, observed).bucket):
        yield SqlChange(Change(item.name, "create", f"bucket {item.record.bucket}"), "bucket")
    for upgrade in upgraded(item, observed):
        yield SqlChange(upgrade.change, "version")


def _unmigrated(item: WantedInstance, observed: Observation) -> bool:
    """Whether realtime needs help with its migrations: one that is superuser needs nobody's."""
    superuser = any(role.superuser for role in item.roles)
    return not superuser and item.record.realtime not in (None, known(item, observed).realtime)


def upgraded(item: WantedInstance, observed: Observation) -> tuple[Upgrade, ...]:
    """The services that another version of is to start."""
    return tuple(upgrades(item.name, item.database, item.record, known(item, observed)))


def _not_back(upgrade: Upgrade) -> str:
    return (
        f"instance {upgrade.instance}: {upgrade.service} {upgrade.have} has migrated {upgrade.database}, and {upgrade.want} of"
        f" images.json does not run on it: write {upgrade.have} there again, or restore a dump of before (docs/upgrades.md)"
    )


def known(item: WantedInstance, observed: Observation) -> Record:
    """What the instance's services are known to have made."""
    actual = observed.databases.get(item.database) if isinstance(observed, Observed) else None
    return actual.record if actual else Record()


def _database_drift(item: WantedInstance, actual: ObservedDatabase) -> Iterator[str]:
    if not f"{actual.comment} ".startswith(f"{item.comment} "):
        yield "COMMENT"
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
