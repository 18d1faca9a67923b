"""An instance with nothing left open: names, slot, port, services, limits and secrets are settled."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from desired import names
from desired.profiles import SERVICES, Name

#: The kinds of secrets whose name a person may choose, and the field that does.
SECRET_FIELDS = {"jwt": "jwt_secret", "anon": "anon_key", "service": "service_key", "db": "database_url"}
#: The kinds of which several services verify or compare the value: only these can be accepted in two generations at once.
OVERLAPPING = ("jwt", "anon", "service")


@dataclass(frozen=True)
class Instance:
    """`services`: which run while the instance does; `environment` and `secret_environment` hold those alone. `auth`, `smtp`,
    `storage` and `realtime`: as in `desired.model`, with every key.

    `secrets` maps each secret's kind to its name (the file is `<name>.age`); `generations`: the endings of those that a
    rotation has beside the current one; `memory` is MiB."""

    name: str
    host: str
    slot: int
    enable: bool
    profile: Name
    subdomain: str
    domain: str
    port: int
    log_level: str
    database: str
    database_user: str
    create_database: bool
    services: Mapping[str, bool]
    auth: Mapping[str, Any]
    smtp: Mapping[str, Any] | None
    storage: Mapping[str, Any]
    realtime: Mapping[str, Any]
    memory: int
    tasks: int
    environment: Mapping[str, Mapping[str, str]]
    secret_environment: Mapping[str, str]
    secrets: Mapping[str, str]
    generations: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return f"https://{self.subdomain}.{self.domain}"

    @property
    def all_secrets(self) -> tuple[str, ...]:
        """The names of all secrets, other generations included."""
        others = (self.secrets[kind] + ending for ending in self.generations for kind in OVERLAPPING)
        return (*self.secrets.values(), *others)

    @property
    def verifiers(self) -> dict[str, str]:
        """Each login that has a password of its own, to the secret that holds its SCRAM verifier."""
        return self._of_logins("dbverifier", "authverifier")

    @property
    def urls(self) -> dict[str, str]:
        """The same logins, to the secret that holds their URL with the password."""
        return self._of_logins("db", "authdb")

    def _of_logins(self, owner: str, auth: str) -> dict[str, str]:
        logins = {names.owner(self.name): owner, names.service_login(self.name, "auth"): auth}
        return {login: self.secrets[kind] for login, kind in logins.items() if kind in self.secrets}

    @cached_property
    def option(self) -> Mapping[str, Any]:
        """The value of `constellation.supabase.instances.<name>`, with the module's names."""
        return {
            "enable": self.enable,
            "slot": self.slot,
            "profile": self.profile,
            "subdomain": self.subdomain,
            "port": self.port,
            "logLevel": self.log_level,
            "database": {
                "name": self.database,
                "user": self.database_user,
                "createDatabase": self.create_database,
            },
            "services": _camel(self.services),
            "auth": _camel(self.auth),
            "smtp": _camel(self.smtp) if self.smtp else None,
            "storage": _camel(self.storage),
            "realtime": _camel(self.realtime),
            "limits": {"memory": self.memory, "tasks": self.tasks},
            "environment": {camel(service): dict(variables) for service, variables in self.environment.items()},
            "secretEnvironment": _camel(self.secret_environment),
            "jwtSecret": self.secrets["jwt"],
            "anonKey": self.secrets["anon"],
            "serviceKey": self.secrets["service"],
            "databaseUrl": self.secrets["db"],
            "secrets": sorted(self.all_secrets),
        }

    @cached_property
    def file(self) -> bytes:
        """Its file in the module tree."""
        return json_text(self.option)


def environment_kind(service: str) -> str:
    """The kind of the secret that holds a service's secret variables."""
    return f"environment-{service}"


def secret_field(kind: str) -> str:
    """The key of group_data that names the secret of a kind."""
    environments = {environment_kind(service): f"secret_environment.{service}" for service in SERVICES}
    return {**SECRET_FIELDS, **environments}.get(kind, "secrets")


@cache
def camel(name: str) -> str:
    """A key of group_data as the module calls it: `rest_api` is `restApi`."""
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)


def _camel(value: Mapping[str, Any]) -> dict[str, Any]:
    return {camel(key): _camel(item) if isinstance(item, dict) else item for key, item in value.items()}


def json_text(value: Any) -> bytes:
    """Canonical JSON: sorted keys, two spaces, one newline at the end, so that equal data are equal bytes."""
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()
