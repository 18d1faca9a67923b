"""The shape of group_data: what a person writes, with the plan's names and defaults. Frozen; unknown keys are refused."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from desired.names import DATABASE, ROLE, SECRET, SUBDOMAIN, reserved_role
from desired.numbers import INTERNAL
from desired.recipients import usable_recipient

DOMAIN = r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])"


def _not_internal(port: int) -> int:
    if port in INTERNAL:
        raise ValueError(f"{INTERNAL.start} to {INTERNAL.stop - 1} belong to the slots")
    return port


def _not_reserved(role: str) -> str:
    if reserved_role(role):
        raise ValueError("this role belongs to the whole cluster; choose another")
    return role


SecretName = Annotated[str, StringConstraints(pattern=f"^{SECRET.pattern}$")]
DatabaseName = Annotated[str, StringConstraints(pattern=f"^{DATABASE.pattern}$")]
RoleName = Annotated[str, StringConstraints(pattern=f"^{ROLE.pattern}$"), AfterValidator(_not_reserved)]
Subdomain = Annotated[str, StringConstraints(pattern=f"^{SUBDOMAIN.pattern}$")]
Port = Annotated[int, Field(ge=1024, le=65535), AfterValidator(_not_internal)]
AbsolutePath = Annotated[str, StringConstraints(pattern=r"^/[^\x00\n]*[^\x00\n/]$")]
Operator = Annotated[str, AfterValidator(usable_recipient)]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class DatabaseData(Model):
    name: DatabaseName | None = None
    user: RoleName | None = None
    create_database: bool = True


class StorageData(Model):
    enable: bool | None = None
    bucket: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")] = "supabase-storage"


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
    domain: Annotated[str, StringConstraints(pattern=f"^{DOMAIN}$")]
    operators: Annotated[tuple[Operator, ...], Field(min_length=1, strict=False)]
    capacity: Annotated[int, Field(ge=1, le=600)] = 10
    module_dir: AbsolutePath = "/etc/nixos/supabase"
    postgresql_port: Annotated[int, Field(ge=1, le=65535)] = 5432
    way_back_seconds: Annotated[int, Field(ge=10, le=3600)] = 180
    secrets_dir: str = "secrets"
    identity: str = "~/.ssh/id_ed25519"


def merged(defaults: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    """`value` over `defaults`, dictionary by dictionary; both are left as they are."""
    result = dict(defaults)
    for key, item in value.items():
        below = result.get(key)
        result[key] = merged(below, item) if isinstance(below, dict) and isinstance(item, dict) else item
    return result
