"""An instance with nothing left open: names, slot, port and secrets are settled."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from desired import names
from desired.model import InstanceData
from desired.numbers import public_port

#: Services of the plan and whether a deploy serves them yet; the others are accepted and reported.
SERVED = {"rest_api": True, "auth": False, "storage": False, "realtime": False}

#: The kinds of secrets whose name a person may choose, and the field that does.
SECRET_FIELDS = {"jwt": "jwt_secret", "anon": "anon_key", "service": "service_key", "db": "database_url"}


@dataclass(frozen=True)
class Instance:
    """`secrets` maps each secret's kind to its name (the file is `<name>.age`)."""

    name: str
    host: str
    slot: int
    enable: bool
    subdomain: str
    domain: str
    port: int
    log_level: str
    database: str
    database_user: str
    create_database: bool
    storage_bucket: str
    services: Mapping[str, bool]
    secrets: Mapping[str, str]

    @property
    def url(self) -> str:
        return f"https://{self.subdomain}.{self.domain}"

    @property
    def not_served(self) -> tuple[str, ...]:
        """Services that are switched on but that a deploy does not run yet."""
        return tuple(service for service, on in self.services.items() if on and not SERVED[service])

    def as_option(self) -> dict[str, Any]:
        """The value of `constellation.supabase.instances.<name>`, with the module's names."""
        return {
            "enable": self.enable,
            "slot": self.slot,
            "subdomain": self.subdomain,
            "port": self.port,
            "logLevel": self.log_level,
            "database": {
                "name": self.database,
                "user": self.database_user,
                "createDatabase": self.create_database,
            },
            "storage": {"enable": self.services["storage"], "bucket": self.storage_bucket},
            "services": {
                "realtime": self.services["realtime"],
                "auth": self.services["auth"],
                "restApi": self.services["rest_api"],
                "storage": self.services["storage"],
            },
            "jwtSecret": self.secrets["jwt"],
            "anonKey": self.secrets["anon"],
            "serviceKey": self.secrets["service"],
            "databaseUrl": self.secrets["db"],
            "secrets": sorted(self.secrets.values()),
        }


def resolve(name: str, data: InstanceData, *, host: str, domain: str, slot: int) -> Instance:
    """Fill what `data` leaves open from the name and the slot."""
    storage = data.services.storage if data.services.storage is not None else data.storage.enable
    return Instance(
        name=name,
        host=host,
        slot=slot,
        enable=data.enable,
        subdomain=data.subdomain or f"supabase-{name}",
        domain=domain,
        port=data.port or public_port(slot),
        log_level=data.log_level,
        database=data.database.name or names.owner(name),
        database_user=data.database.user or names.owner(name),
        create_database=data.database.create_database,
        storage_bucket=data.storage.bucket,
        services={
            "rest_api": data.services.rest_api,
            "auth": data.services.auth,
            "storage": True if storage is None else storage,
            "realtime": data.services.realtime,
        },
        secrets=secrets_of(name, data),
    )


def secrets_of(name: str, data: InstanceData) -> dict[str, str]:
    """Secret names by kind: the four of the plan, which may be chosen, and those only this project reads."""
    chosen = {kind: getattr(data, field) or names.secret(name, kind) for kind, field in SECRET_FIELDS.items()}
    return {**chosen, "dbverifier": names.secret(name, "dbverifier")}


def json_text(value: Any) -> bytes:
    """Canonical JSON: sorted keys, two spaces, one newline at the end, so that equal data are equal bytes."""
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()
