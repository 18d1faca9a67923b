"""What of an observed cluster forbids the run: a server that is too old, roles and databases of others, doors left open."""

import re
from collections.abc import Iterator, Sequence

from desired.cluster import DATABASE_OWNER, Role, WantedCluster, WantedInstance
from desired.cluster_state import Observed, ObservedDatabase
from desired.inside import planted

OLDEST = 160000
#: The comment of an instance's owner: whose it is, and what is fixed at birth.
_BORN = re.compile(r"(.*) database (\S+) user (\S+)")


def refusals(wanted: WantedCluster, instances: Sequence[WantedInstance], observed: Observed) -> Iterator[str]:
    """Every reason, each with the next step."""
    if observed.version < OLDEST:
        major = observed.version // 10000
        yield f"version {major} is too old; 16 is the oldest that works: set services.postgresql.package and upgrade the data"
        return
    for role in wanted.shared:
        yield from _foreign(role, observed)
    for item in instances:
        owner = observed.roles.get(item.roles[0].name)
        born = _BORN.fullmatch((owner.comment if owner else None) or "")
        if born is None or born[1] != item.comment:
            yield from _foreign(item.roles[0], observed)
        else:
            for field, then, now in [("name", born[2], item.database), ("user", born[3], item.user)]:
                if then != now:
                    yield (
                        f"instance {item.name}: database.{field} is {now} in group_data and {then} on the host; it is fixed at"
                        f" birth: write {then}, or make a new instance"
                    )
        for role in item.roles[1:]:
            yield from _foreign(role, observed)
        yield from _refused_database(item, observed.databases.get(item.database), unborn=owner is None)
        if inside := observed.insides.get(item.database):
            yield from (f"instance {item.name}: {reason}" for reason in planted(inside, item.database, observed.superusers))
        elif item.database in observed.shut:
            yield f"instance {item.name}: database {item.database} cannot be entered: {observed.shut[item.database]}"


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
