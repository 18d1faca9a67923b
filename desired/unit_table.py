"""The units of an instance, and what each is made of: mirrors the module's `__<service>.nix`, `__gateway.nix`, `__net.nix`."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from desired import names
from desired.instance import camel
from desired.profiles import SERVICES

#: An instance as its file has it.
Option = Mapping[str, Any]


def _always(option: Option) -> bool:
    return True


@dataclass(frozen=True)
class Unit:
    """
    kind: what follows the instance's name, with its suffix; the gateway's socket is named by its port
    wanted: whether an instance that is enabled has it
    fields: what its text is made of: another value is a restart; `domain` is the host's, those of a service count while it is on
    reloads, restarts: kinds of secrets that its runtime material is composed of, and what another ciphertext of them does
    levels: log levels that it treats like another one
    database: whether it goes down with PostgreSQL; restarted: whether a switch restarts it when its text changes
    """

    kind: str
    wanted: Callable[[Option], bool] = _always
    fields: tuple[str, ...] = ()
    reloads: tuple[str, ...] = ()
    restarts: tuple[str, ...] = ()
    levels: Mapping[str, str] = field(default_factory=dict)
    database: bool = False
    restarted: bool = True


def _serves(service: str) -> Callable[[Option], bool]:
    return lambda option: bool(option["services"].get(service))


def _storage_elsewhere(option: Option) -> bool:
    return bool(option["services"].get("storage")) and option["storage"]["backend"] == "s3"


def _bridge(kind: str, wanted: Callable[[Option], bool]) -> tuple[Unit, Unit]:
    """A way out of the network namespace: nothing in it ever changes."""
    return Unit(f"-{kind}.socket", wanted, restarted=False), Unit(f"-{kind}.service", wanted)


def _own(service: str) -> tuple[str, ...]:
    """What a person adds to a service."""
    return f"environment.{service}", f"secretEnvironment.{service}"


_AUTH = (
    *("auth.siteUrl", "auth.redirectUrls", "auth.disableSignup"),
    *("auth.autoconfirm", "auth.jwtExpiry", "auth.databaseSocket"),
)
_STORAGE = ("storage.backend", "storage.s3", "storage.fileSizeLimit", "services.imgproxy")
_ADDRESS = ("subdomain", "domain")

UNITS: Final = (
    Unit("-net.service", restarted=False),
    Unit("-{port}.socket", restarted=False),
    Unit(
        "-rest.service",
        _serves("restApi"),
        fields=(*_ADDRESS, "logLevel", "database.name", "jwtSecret", *_own("restApi")),
        reloads=("jwt",),
        restarts=("environment-rest_api",),
        levels={"warn": "error"},
        database=True,
    ),
    Unit(
        "-auth.service",
        _serves("auth"),
        fields=(*_ADDRESS, "logLevel", "database.name", *_AUTH, "smtp", "jwtSecret", *_own("auth")),
        reloads=("jwt", "smtp", "environment-auth"),
        restarts=("authdb",),
        database=True,
    ),
    *_bridge("auth-bridge", _serves("auth")),
    Unit(
        "-storage.service",
        _serves("storage"),
        fields=(*_ADDRESS, "logLevel", "database.name", *_STORAGE, "jwtSecret", "anonKey", "serviceKey", *_own("storage")),
        restarts=("jwt", "anon", "service", "s3", "s3backend", "environment-storage"),
        database=True,
    ),
    *_bridge("storage-bridge", _storage_elsewhere),
    *_bridge("realtime-db", _serves("realtime")),
    Unit(
        "-realtime.service",
        _serves("realtime"),
        fields=("logLevel", "database.name", "realtime.maxConcurrentUsers", "jwtSecret", *_own("realtime")),
        restarts=("jwt", "realtime", "environment-realtime"),
        database=True,
    ),
    *_bridge("meta-db", _serves("meta")),
    Unit(
        "-meta.service",
        _serves("meta"),
        fields=("database.name", *_own("meta")),
        restarts=("meta", "environment-meta"),
        database=True,
    ),
    Unit(
        "-studio.service",
        _serves("studio"),
        fields=(*_ADDRESS, "database.name", "jwtSecret", "anonKey", "serviceKey", *_own("studio")),
        restarts=("jwt", "anon", "service", "meta", "environment-studio"),
    ),
    Unit(
        "-imgproxy.service",
        _serves("imgproxy"),
        fields=("logLevel", *_own("imgproxy")),
        restarts=("environment-imgproxy",),
    ),
    Unit(
        ".service",
        fields=(
            *(*_ADDRESS, "port", "logLevel", "anonKey", "serviceKey", "realtime.maxConcurrentUsers"),
            *(f"services.{camel(service)}" for service in SERVICES if service != "imgproxy"),
        ),
        reloads=("anon", "service", "dashboard"),
        levels={"warn": "error"},
    ),
)

#: The kinds of secrets and the options that name them; a file may leave them to their defaults.
_OPTIONS: Final = {
    "jwt": "jwtSecret",
    "anon": "anonKey",
    "service": "serviceKey",
    "authdb": "authDatabaseUrl",
    "realtime": "realtimeSecret",
    "dashboard": "dashboardPassword",
    "meta": "metaKey",
    "s3": "s3Key",
    "s3backend": "s3BackendKey",
    "smtp": "smtpPassword",
}


_KINDS: Final = "|".join(re.escape(unit.kind).replace(r"\{port\}", "[0-9]+") for unit in UNITS)
#: A unit of an instance: its name, and the unit's kind.
UNIT: Final = re.compile(rf"supabase-({names.INSTANCE.pattern})({_KINDS})")


def unit_name(instance: str, unit: Unit, option: Option) -> str:
    """`supabase-prod-rest.service`."""
    return f"supabase-{instance}{unit.kind.format(port=option['port'])}"


def on(unit: Unit, option: Option) -> bool:
    """Whether the unit is to run."""
    return bool(option.get("enable", True)) and unit.wanted(option)


def value_of(unit: Unit, field: str, option: Option, domain: object) -> object:
    """What the unit's text has of a field: equal values, equal text."""
    if field == "domain":
        return domain
    section, _, last = field.partition(".")
    if last == "":
        value = option.get(field)
        return unit.levels.get(str(value), value) if field == "logLevel" else value
    if section in SERVICES and not option["services"].get(section):
        return None
    return (option.get(section) or {}).get(last)


def secrets(instance: str, kinds: tuple[str, ...], option: Option) -> tuple[str, ...]:
    """The secrets of these kinds that the instance has, other generations included."""
    listed = option.get("secrets")
    found = []
    for kind in kinds:
        if kind in _OPTIONS:
            current = option.get(_OPTIONS[kind]) or names.secret(instance, kind)
        else:
            current = (option.get("secretEnvironment") or {}).get(camel(kind.removeprefix("environment-")))
        found += [current, *(f"{current}{ending}" for ending in names.GENERATIONS)] if current else []
    return tuple(name for name in found if listed is None or name in listed)
