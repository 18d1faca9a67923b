"""How each kind of secret is made, or what a person must give. A new kind is one entry of GENERATORS (and its name in
`desired.instance.secrets_of`)."""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from desired import examples, names, scram
from desired.estate import Host
from desired.instance import Instance, environment_kind
from desired.profiles import SERVICES
from desired.sidecar import canonical, digest

Inputs = dict[str, Any]


@dataclass(frozen=True)
class Material:
    """What a value is made from; without a repr of what is secret. `parents`: kind to plaintext."""

    inputs: Inputs
    parents: Mapping[str, str] = field(repr=False)
    entropy: bytes = field(repr=False)
    now: datetime


@dataclass(frozen=True)
class Generator:
    """
    make: the plaintext without its last newline, from a Material with `entropy` random bytes; None: only a person can give it
    what: what such a value is, for the message that asks for it; lines: whether it may be more than one line
    inputs: what the value depends on beside parents and entropy; when it changes, the run stops and names update-secret
    fault: why a value that a person put in is not one of this kind (without quoting it), None when it is fine
    identify: a public name that follows from the value; without it the id is random
    expiry: when the value stops working; compared: whether the host compares the value by its digest
    """

    parents: tuple[str, ...]
    entropy: int
    inputs: Callable[[Instance, Host], Inputs]
    make: Callable[[Material], str] | None
    fault: Callable[[str, Material], str | None]
    identify: Callable[[str], str] | None = None
    expiry: Callable[[str], datetime] | None = None
    compared: bool = False
    what: str = ""
    lines: bool = False


def inputs_digest(inputs: Inputs) -> str:
    """What the sidecar keeps of the inputs."""
    return digest(canonical(inputs))


def _nothing(instance: Instance, host: Host) -> Inputs:
    return {}


# The tokens module loads PyJWT and with it cryptography; a run that makes no secret must not wait for them.


def _signing_secret(material: Material) -> str:
    return base64.urlsafe_b64encode(material.entropy).decode("ascii")


def _signing_secret_fault(value: str, material: Material) -> str | None:
    """PostgREST refuses secrets under 32 characters; spaces, quotes and backslashes would not survive an environment file."""
    if re.fullmatch(r"""[!#-&(-\[\]-~]{32,}""", value):
        return None
    return "32 or more printable characters without spaces, quotes and backslashes are wanted"


def _kid(value: str) -> str:
    from desired import tokens

    return tokens.kid(value)


def _token(role: str) -> Generator:
    def make(material: Material) -> str:
        from desired import tokens

        return tokens.mint(material.parents["jwt"], role, material.now)

    def fault(value: str, material: Material) -> str | None:
        from desired import tokens

        return tokens.fault(value, material.parents["jwt"], role, material.now)

    def expiry(value: str) -> datetime:
        from desired import tokens

        return tokens.expiry(value)

    return Generator(("jwt",), 0, lambda instance, host: {"role": role}, make, fault, expiry=expiry)


def _random(size: int, form: str, wanted: str) -> Generator:
    """`size` random bytes in hex; a person's own value must match `form`."""
    return Generator((), size, _nothing, lambda material: material.entropy.hex(), _like(form, wanted))


def _given(what: str, fault: Callable[[str, Material], str | None], *, lines: bool = False) -> Generator:
    return Generator((), 0, _nothing, None, fault, what=what, lines=lines)


def _like(form: str, wanted: str) -> Callable[[str, Material], str | None]:
    return lambda value, material: None if re.fullmatch(form, value) else f"{wanted} are wanted"


def _key_pair(material: Material) -> str:
    """Id and secret of storage's S3 protocol, as long as upstream's."""
    return f"{material.entropy[:16].hex()}:{material.entropy[16:].hex()}"


#: What systemd, podman and godotenv all read alike: quotes, $, backslashes and comments mean something to one or the other.
_VARIABLE = re.compile(rf"{names.VARIABLE.pattern}=(?! )(?!.* #)[ !#%&(-\[\]-_a-~]+(?<! )")


def _variables_fault(value: str, material: Material) -> str | None:
    for number, text in enumerate(value.split("\n"), 1):
        if not _VARIABLE.fullmatch(text):
            return f"line {number} is not KEY=VALUE, the value printable ASCII without quotes, $, \\ and a comment"
    return None


def _url_inputs(login: Callable[[str], str]) -> Callable[[Instance, Host], Inputs]:
    def inputs(instance: Instance, host: Host) -> Inputs:
        return {
            "user": login(instance.name),
            "port": host.postgresql_port,
            "database": instance.database,
        }

    return inputs


def _url(inputs: Inputs, password: str) -> str:
    return f"postgresql://{inputs['user']}:{password}@localhost:{inputs['port']}/{inputs['database']}"


def _database_url(login: Callable[[str], str]) -> Generator:
    return Generator((), 32, _url_inputs(login), lambda made: _url(made.inputs, made.entropy.hex()), _database_url_fault)


def _database_url_fault(value: str, material: Material) -> str | None:
    """A password of one's own may be anything that stands in a URL unescaped (RFC 3986, unreserved)."""
    before, after = _url(material.inputs, "\n").split("\n")
    password = value.removeprefix(before).removesuffix(after)
    if value == before + password + after and re.fullmatch(r"[A-Za-z0-9._~-]{16,}", password):
        return None
    return f"{before}PASSWORD{after} is wanted, the password of 16 or more letters, digits and ._~-"


def _verifier(url: str) -> Generator:
    """Of the password in the URL of kind `url`."""

    def password(material: Material) -> str:
        return urlsplit(material.parents[url]).password or ""

    def fault(value: str, material: Material) -> str | None:
        if scram.matches(value, password(material)):
            return None
        return "it is not the SCRAM-SHA-256 verifier of the password in the database URL"

    def make(material: Material) -> str:
        return scram.verifier(password(material), material.entropy)

    return Generator((url,), scram.SALT_BYTES, _nothing, make, fault, compared=True)


_SMTP = "the password of smtp.user at the mail server"
_S3 = "the key of storage's bucket at storage.s3.endpoint, ID:SECRET"

_EVERY: Final[Mapping[str, Generator]] = {
    "jwt": Generator((), 48, _nothing, _signing_secret, _signing_secret_fault, identify=_kid),
    "anon": _token("anon"),
    "service": _token("service_role"),
    "db": _database_url(names.owner),
    "dbverifier": _verifier("db"),
    "authdb": _database_url(lambda instance: names.service_login(instance, "auth")),
    "authverifier": _verifier("authdb"),
    # All of realtime's own keys are derived from it on the host.
    "realtime": _random(32, "[0-9a-f]{64}", "64 hexadecimal digits"),
    "dashboard": _random(16, r"[A-Za-z0-9._~-]{16,}", "16 or more letters, digits and ._~-"),
    "meta": _random(32, "[0-9a-f]{64}", "64 hexadecimal digits"),
    "s3": Generator((), 48, _nothing, _key_pair, _like("[0-9a-f]{32}:[0-9a-f]{64}", "ID:SECRET of 32 and 64 hexadecimal digits")),
    "s3backend": _given(_S3, _like("[!-9;-~]+:[!-~]+", "ID:SECRET of printable characters without spaces")),
    "smtp": _given(_SMTP, _like(r"[ -&(-~]*[ -&(-\[\]-~]", "printable ASCII characters without ' and a backslash at the end")),
    **{
        environment_kind(service): _given(
            f"secret variables of service {service}, a line KEY=VALUE each", _variables_fault, lines=True
        )
        for service in SERVICES
    },
}


def _nobody_s(generator: Generator) -> Generator:
    """The same; a value that everybody knows has a fault."""
    return replace(generator, fault=lambda value, material: examples.fault(value) or generator.fault(value, material))


GENERATORS: Final[Mapping[str, Generator]] = {kind: _nobody_s(generator) for kind, generator in _EVERY.items()}
PARENTS: Final = {kind: generator.parents for kind, generator in GENERATORS.items()}
