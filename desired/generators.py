"""How each kind of secret is made. A new kind is one entry of GENERATORS (and its name in `desired.instance.secrets_of`)."""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from desired import names, scram
from desired.estate import Host
from desired.instance import Instance
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
    make: the plaintext, one line without its newline, from a Material with `entropy` random bytes
    inputs: what the value depends on beside parents and entropy; when it changes, the run stops and names update-secret
    fault: why a value that a person put in is not one of this kind (without quoting it), None when it is fine
    identify: a public name that follows from the value; without it the id is random
    expiry: when the value stops working; compared: whether the host compares the value by its digest
    """

    parents: tuple[str, ...]
    entropy: int
    inputs: Callable[[Instance, Host], Inputs]
    make: Callable[[Material], str]
    fault: Callable[[str, Material], str | None]
    identify: Callable[[str], str] | None = None
    expiry: Callable[[str], datetime] | None = None
    compared: bool = False


def inputs_digest(inputs: Inputs) -> str:
    """What the sidecar keeps of the inputs."""
    return digest(canonical(inputs))


def _nothing(instance: Instance, host: Host) -> Inputs:
    return {}


# The tokens module loads PyJWT and with it cryptography; a run that makes no secret must not wait for them.


def _signing_secret(material: Material) -> str:
    return base64.urlsafe_b64encode(material.entropy).decode("ascii")


def _signing_secret_fault(value: str, material: Material) -> str | None:
    """PostgREST refuses secrets under 32 characters; spaces would not survive an environment file."""
    return None if re.fullmatch(r"[!-~]{32,}", value) else "32 or more printable characters without spaces are wanted"


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


def _url_inputs(instance: Instance, host: Host) -> Inputs:
    return {
        "user": names.owner(instance.name),
        "port": host.data.postgresql_port,
        "database": instance.database,
    }


def _url(inputs: Inputs, password: str) -> str:
    return f"postgresql://{inputs['user']}:{password}@localhost:{inputs['port']}/{inputs['database']}"


def _database_url(material: Material) -> str:
    return _url(material.inputs, material.entropy.hex())


def _database_url_fault(value: str, material: Material) -> str | None:
    """A password of one's own may be anything that stands in a URL unescaped (RFC 3986, unreserved)."""
    before, after = _url(material.inputs, "\n").split("\n")
    password = value.removeprefix(before).removesuffix(after)
    if value == before + password + after and re.fullmatch(r"[A-Za-z0-9._~-]{16,}", password):
        return None
    return f"{before}PASSWORD{after} is wanted, the password of 16 or more letters, digits and ._~-"


def _password(url: str) -> str:
    return urlsplit(url).password or ""


def _verifier(material: Material) -> str:
    return scram.verifier(_password(material.parents["db"]), material.entropy)


def _verifier_fault(value: str, material: Material) -> str | None:
    if scram.matches(value, _password(material.parents["db"])):
        return None
    return "it is not the SCRAM-SHA-256 verifier of the password in the database URL"


GENERATORS: Final[Mapping[str, Generator]] = {
    "jwt": Generator((), 48, _nothing, _signing_secret, _signing_secret_fault, identify=_kid),
    "anon": _token("anon"),
    "service": _token("service_role"),
    "db": Generator((), 32, _url_inputs, _database_url, _database_url_fault),
    "dbverifier": Generator(("db",), scram.SALT_BYTES, _nothing, _verifier, _verifier_fault, compared=True),
}
PARENTS: Final = {kind: generator.parents for kind, generator in GENERATORS.items()}
