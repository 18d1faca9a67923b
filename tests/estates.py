"""group_data of made-up hosts, and the estate or the messages it gives."""

import base64
from collections.abc import Mapping
from typing import Any

import pytest

from desired.errors import Invalid
from desired.estate import Estate, Host
from desired.sources import HostInput, Layer
from desired.validation import validate

FILE = "group_data/lab.py"


def _key(seed: int) -> str:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    public = Ed25519PrivateKey.from_private_bytes(seed.to_bytes(32)).public_key().public_bytes_raw()
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + public
    return f"ssh-ed25519 {base64.b64encode(blob).decode()}"


OPERATOR, HOST_KEY = _key(1), _key(2)


def source(
    instances: Any = None, *, name: str = "server", file: str = FILE, key: str | None = HOST_KEY, **data: Any
) -> HostInput:
    """A host with right values, but for those given; `...` leaves a key out."""
    values = {"domain": "example.org", "operators": [OPERATOR], "instances": {} if instances is None else instances, **data}
    return HostInput(name, (Layer(file, {key: value for key, value in values.items() if value is not ...}),), key)


def estate(*sources: HostInput, held: Mapping[str, Mapping[str, int]] = {}) -> Estate:
    return validate(sources, held)


def host(instances: Any, *, held: Mapping[str, int] = {}, **data: Any) -> Host:
    """The one host of an estate."""
    (found,) = estate(source(instances, **data), held={"server": held}).hosts
    return found


def mistakes(*sources: HostInput, held: Mapping[str, Mapping[str, int]] = {}) -> list[str]:
    """One line a mistake."""
    with pytest.raises(Invalid) as caught:
        validate(sources, held)
    lines = [str(mistake) for mistake in caught.value.mistakes]
    assert str(caught.value).splitlines()[1:] == [f"  {line}" for line in lines], "each mistake is one line of the message"
    return lines
