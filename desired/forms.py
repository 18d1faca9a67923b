"""The forms of single values in group_data. Each refusal says what is allowed."""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from desired import names
from desired.numbers import INTERNAL
from desired.recipients import usable_recipient

_LABEL = names.SUBDOMAIN.pattern
_HOST = rf"({_LABEL}\.)*{_LABEL}"
_PORT = r"(:[1-9][0-9]{0,4})?"
#: A URL's characters (RFC 3986) without quotes, $ and the comma, which ends an entry of a list; no password before the host.
_URL_TAIL = r"([/?#][A-Za-z0-9._~:/?#\[\]@!&()*+;=%-]*)?"
_DOMAIN = re.compile(rf"(?=.{{1,189}}$)({_LABEL}\.)+[a-z]([a-z0-9-]{{0,61}}[a-z0-9])")


def _matching(pattern: re.Pattern[str] | str, allowed: str) -> AfterValidator:
    form = re.compile(pattern)

    def check(value: str) -> str:
        if not form.fullmatch(value):
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


def _list_of(entry: str) -> BeforeValidator:
    def check(value: object) -> tuple[object, ...]:
        if not isinstance(value, list | tuple):
            raise ValueError(f"must be a list with {entry}")
        return tuple(value)

    return BeforeValidator(check)


def _somebody(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise ValueError("must name at least one key, or nobody could open the secrets: the line of your ~/.ssh/id_ed25519.pub")
    return value


def _variables(value: dict[str, str]) -> dict[str, str]:
    for key, text in value.items():
        if not names.VARIABLE.fullmatch(key):
            raise ValueError("the name of a variable must be capital letters, digits and _, the first a letter")
        # NixOS refuses lines of an environment beyond 2048 characters.
        if not re.fullmatch(r"[^\x00-\x1f\x7f]{0,1500}", text):
            raise ValueError(f"{key} must be one line of up to 1500 characters")
    return value


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
HostName = Annotated[str, _matching(rf"(?=.{{1,253}}$){_HOST}", "a DNS name in small letters or an IPv4 address, without a port")]
GatewayPort = Annotated[int, _between(1024, 65535), AfterValidator(_not_internal)]
Port = Annotated[int, _between(1, 65535)]
Bucket = Annotated[
    str,
    _matching(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "3 to 63 small letters, digits, . and -, no . or - at the ends"),
]
Region = Annotated[str, _matching(r"[a-z0-9][a-z0-9-]{0,62}", "up to 63 small letters, digits and -, such as eu-central-1")]
MailAddress = Annotated[
    str,
    _matching(rf"(?=.{{1,254}}$)[A-Za-z0-9._%+=~/-]{{1,64}}@{_HOST}", "a mail address, such as admin@example.org"),
]
#: Quotes, backslashes and $ mean something to one or other reader of environment files.
Line = Annotated[
    str,
    _matching(r"""(?=\S)[^\x00-\x1f\x7f"'\\$`]{1,200}(?<=\S)""", "one line of up to 200 characters without quotes, \\ and $"),
]
WebUrl = Annotated[
    str,
    _matching(rf"(?=.{{1,1000}}$)https?://{_HOST}{_PORT}{_URL_TAIL}", "a URL with its scheme, such as https://app.example.org"),
]
Origin = Annotated[
    str,
    _matching(
        rf"https?://{_HOST}{_PORT}", "scheme, host and port of a URL and nothing after them, such as http://127.0.0.1:9091"
    ),
]
RedirectUrl = Annotated[
    str,
    _matching(
        r"[a-z][a-z0-9+.-]*://[A-Za-z0-9._~:/?#\[\]!&()*+;=%-]{0,1000}",
        "a URL with its scheme, * allowed, such as https://*.example.org/** or org.example.app://login",
    ),
]
Flake = Annotated[
    str,
    _matching(
        r"(path:)?(/(?!\.{1,2}(/|#))[A-Za-z0-9._+-]+)+#[A-Za-z_][A-Za-z0-9_-]*",
        "an absolute directory on the host, # and the name of the system in it, such as /etc/nixos#cloud "
        "(or path:/etc/nixos#cloud)",
    ),
]
HostPath = Annotated[
    str,
    _matching(r"(/(?!\.{1,2}(/|$))[^/\x00-\x1f]+)+", "an absolute path on the host, such as /etc/nixos/supabase"),
]
LocalPath = Annotated[str, _matching(r"[^\x00-\x1f]+", "a path on this machine, on one line")]
Operators = Annotated[
    tuple[Annotated[str, AfterValidator(usable_recipient)], ...],
    _list_of('the line of a .pub file an entry: ["ssh-ed25519 AAAA... you@workstation"]'),
    AfterValidator(_somebody),
]
RedirectUrls = Annotated[tuple[RedirectUrl, ...], _list_of('a URL an entry: ["https://app.example.org/**"]')]
Variables = Annotated[dict[str, str], AfterValidator(_variables)]
Seconds = Annotated[int, _between(60, 604800)]
Bytes = Annotated[int, _between(1, 5 * 2**40)]
Users = Annotated[int, _between(1, 1_000_000)]
Memory = Annotated[int, _between(64, 1_048_576)]
Tasks = Annotated[int, _between(16, 100_000)]
HostMemory = Annotated[int, _between(256, 16_777_216)]
Capacity = Annotated[int, _between(1, 600)]
WayBackSeconds = Annotated[int, _between(10, 3600)]
