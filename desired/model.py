"""The shape of group_data: what a person writes, with the plan's names and defaults. Frozen; unknown keys are refused.

Each refusal says what is allowed; `description` says what to do where a value is missing.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from desired import names
from desired.numbers import INTERNAL
from desired.recipients import usable_recipient

_LABEL = names.SUBDOMAIN.pattern
_DOMAIN = re.compile(rf"(?=.{{1,189}}$)({_LABEL}\.)+[a-z]([a-z0-9-]{{0,61}}[a-z0-9])")


def _matching(pattern: re.Pattern[str], allowed: str) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(f"must be {allowed}")
        return value

    return AfterValidator(check)


def _between(low: int, high: int) -> AfterValidator:
    def check(value: int) -> int:
        if not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return value

    return AfterValidator(check)


def _not_internal(port: int) -> int:
    if port in INTERNAL:
        raise ValueError(f"{INTERNAL.start} to {INTERNAL.stop - 1} belong to the slots; choose a port outside")
    return port


def _not_reserved(role: str) -> str:
    if names.reserved_role(role):
        raise ValueError("this role belongs to the whole cluster; choose another")
    return role


def _not_a_generation(secret: str) -> str:
    if secret.endswith(names.GENERATIONS):
        raise ValueError(f"the endings {' and '.join(names.GENERATIONS)} are those of a rotation; choose another name")
    return secret


def _listed(value: object) -> tuple[object, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError('must be a list with the line of a .pub file an entry: ["ssh-ed25519 AAAA... you@workstation"]')
    if not value:
        raise ValueError("must name at least one key, or nobody could open the secrets: the line of your ~/.ssh/id_ed25519.pub")
    return tuple(value)


_SECRET_NAME = (
    "the name of an agenix secret: up to 63 small letters, digits and -, the first a letter"  # noqa: S105 -- says what is allowed
    " (the value itself never stands here: it is kept in secrets/NAME.age)"
)
SecretName = Annotated[str, _matching(names.SECRET, _SECRET_NAME), AfterValidator(_not_a_generation)]
DatabaseName = Annotated[
    str,
    _matching(names.DATABASE, "supabase_ and 1 to 54 small letters, digits or _: other names are other applications'"),
]
RoleName = Annotated[
    str,
    _matching(names.ROLE, "up to 63 small letters, digits and _, the first no digit"),
    AfterValidator(_not_reserved),
]
Subdomain = Annotated[str, _matching(names.SUBDOMAIN, "one DNS label: up to 63 small letters, digits and -, no - at the ends")]
Domain = Annotated[str, _matching(_DOMAIN, "a DNS name in small letters, such as example.org")]
Port = Annotated[int, _between(1024, 65535), AfterValidator(_not_internal)]
Bucket = Annotated[
    str,
    _matching(re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"), "3 to 63 small letters, digits, . and -, no . or - at the ends"),
]
HostPath = Annotated[
    str,
    _matching(re.compile(r"(/(?!\.{1,2}(/|$))[^/\x00-\x1f]+)+"), "an absolute path on the host, such as /etc/nixos/supabase"),
]
LocalPath = Annotated[str, _matching(re.compile(r"[^\x00-\x1f]+"), "a path on this machine, on one line")]
Operators = Annotated[tuple[Annotated[str, AfterValidator(usable_recipient)], ...], BeforeValidator(_listed)]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class DatabaseData(Model):
    name: DatabaseName | None = None
    user: RoleName | None = None
    create_database: bool = True


class StorageData(Model):
    enable: bool | None = None
    bucket: Bucket = "supabase-storage"


class ServicesData(Model):
    realtime: bool = True
    auth: bool = True
    rest_api: bool = True
    storage: bool | None = None


class InstanceData(Model):
    """One value of `instances`. What is None follows from the instance's name, its slot or another field."""

    enable: bool = True
    subdomain: Subdomain | None = None
    port: Port | None = None
    log_level: Literal["debug", "info", "warn", "error"] = "info"
    database: DatabaseData = DatabaseData()
    storage: StorageData = StorageData()
    services: ServicesData = ServicesData()
    jwt_secret: SecretName | None = None
    anon_key: SecretName | None = None
    service_key: SecretName | None = None
    database_url: SecretName | None = None


class HostData(Model):
    """The top-level keys of group_data that describe a host, `instances` and `instance_defaults` aside."""

    system: Literal["nixos", "sandbox"] = "nixos"
    domain: Annotated[Domain, Field(description='the instances are served below it, so set it:  domain = "example.org"')]
    operators: Annotated[
        Operators,
        Field(
            description="name the keys that may decrypt the secrets, a line of a .pub file each:  "
            'operators = ["ssh-ed25519 AAAA... you@workstation"]  (`cat ~/.ssh/id_ed25519.pub` shows yours, '
            "`ssh-keygen -t ed25519` makes one)"
        ),
    ]
    capacity: Annotated[int, _between(1, 600)] = 10
    module_dir: HostPath = "/etc/nixos/supabase"
    postgresql_port: Annotated[int, _between(1, 65535)] = 5432
    way_back_seconds: Annotated[int, _between(10, 3600)] = 180
    secrets_dir: LocalPath = "secrets"
    identity: LocalPath = "~/.ssh/id_ed25519"


def merged(defaults: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    """`value` over `defaults`, dictionary by dictionary; both are left as they are."""
    result = dict(defaults)
    for key, item in value.items():
        below = result.get(key)
        result[key] = merged(below, item) if isinstance(below, dict) and isinstance(item, dict) else item
    return result
