"""Whatever two instances would fight over."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from desired import names
from desired.errors import Mistake
from desired.instance import Instance, secret_field
from desired.numbers import public_port


@dataclass(frozen=True)
class Holding:
    """A host's instances, the file that defines them, and the port its PostgreSQL listens on."""

    host: str
    file: str
    instances: tuple[Instance, ...]
    postgresql_port: int


@dataclass(frozen=True)
class _Claim:
    """`value` of `field` must be the only one in `space`. `holder` is how another's message names it; `chosen` says that
    a person wrote it, as opposed to one that follows from the instance's name or slot."""

    space: str
    value: str | int
    holder: str
    field: str
    instance: str
    file: str
    chosen: bool = True


def clashes(holdings: Iterable[Holding]) -> Iterator[Mistake]:
    """Each clash once, told where a person chose the value, with the other side named. Values of secrets are not shown."""
    homes: dict[str, Holding] = {}
    taken: dict[tuple[str, str | int], str] = {}
    claims: list[_Claim] = []
    for holding in holdings:
        taken[f"port {holding.host}", holding.postgresql_port] = "PostgreSQL (postgresql_port)"
        for item in holding.instances:
            home = homes.setdefault(item.name, holding)
            if home is holding:
                claims += _claims(item, holding)
            else:
                problem = f"claimed by two hosts: {holding.host} ({holding.file}) and {home.host} ({home.file}); rename one"
                yield Mistake(holding.file, "instances", problem, item.name)
    for claim in sorted(claims, key=lambda claim: claim.chosen):
        key = (claim.space, claim.value)
        if key in taken:
            shown = None if claim.space == "secret" else repr(claim.value)
            yield Mistake(claim.file, claim.field, f"already taken by {taken[key]}; choose another", claim.instance, shown)
        else:
            taken[key] = claim.holder


def _claims(item: Instance, holding: Holding) -> Iterator[_Claim]:
    def claim(space: str, value: str | int, what: str, field: str, default: str | int | None) -> _Claim:
        holder = f"{what} of instance {item.name} on {item.host}"
        return _Claim(space, value, holder, field, item.name, holding.file, value != default)

    owner = names.owner(item.name)
    yield claim(f"port {item.host}", item.port, "the port", "port", public_port(item.slot))
    yield claim(f"domain {item.domain}", item.subdomain, "the subdomain", "subdomain", f"supabase-{item.name}")
    yield claim(f"database {item.host}", item.database, "the database", "database.name", owner)
    yield claim(f"role {item.host}", owner, "the owner", "database.user", owner)
    for service in names.LOGIN_SERVICES:
        login = names.service_login(item.name, service)
        yield claim(f"role {item.host}", login, f"the login of service {service}", "database.user", login)
    if item.database_user != owner:
        yield claim(f"role {item.host}", item.database_user, "the database user", "database.user", owner)
    for kind, secret in item.secrets.items():
        yield claim("secret", secret, f"the {kind} secret", secret_field(kind), names.secret(item.name, kind))
