"""The small public file beside a secret: what the secret is, for whom, from what, without a word of its content."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from desired.instance import json_text

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_HASH = re.compile(r"[0-9a-f]{64}")
_ID = re.compile(r"[0-9a-f]{16}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_STATE = re.compile(r"next|current|previous until \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@dataclass(frozen=True)
class Sidecar:
    """
    recipients: sorted `type base64`        inputs: sha256 hex of what the generator was given beside parents and entropy
    ciphertext: sha256 hex of the .age      id: the kid of a signing secret, else 16 random hex digits of this value
    parents: kind to id of what it was made from
    state: `current`, `next` or `previous until <time>`; times are UTC, `2026-11-22T17:25:09Z`
    digest: sha256 hex of the value itself, only where the host must compare it (SCRAM verifiers)
    """

    instance: str
    kind: str
    secret: str
    recipients: tuple[str, ...]
    inputs: str
    ciphertext: str
    id: str
    parents: Mapping[str, str]
    state: str
    created: str
    expires: str | None = None
    digest: str | None = None


def digest(content: bytes) -> str:
    """sha256, hex."""
    return hashlib.sha256(content).hexdigest()


def canonical(value: Any) -> bytes:
    """JSON of equal bytes for equal data, to be digested."""
    return _CANONICAL.encode(value).encode()


def time_text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def time_of(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def render(sidecar: Sidecar) -> bytes:
    """The file's bytes. `check` makes a hand edit show; it is no protection against somebody who wants to deceive."""
    body: dict[str, Any] = vars(sidecar)
    return json_text({**body, "check": _check(body)})


def parse(content: bytes) -> Sidecar:
    """Raises ValueError with the reason when the file is not one that `render` wrote."""
    try:
        body = json.loads(content)
    except (UnicodeDecodeError, json.JSONDecodeError):
        raise ValueError("it is not JSON") from None
    if not isinstance(body, dict) or body.keys() != _FIELDS:
        raise ValueError("its fields are not those of a sidecar")
    check = body.pop("check")
    for field, right in _SHAPES.items():
        if not right(body[field]):
            raise ValueError(f"its field {field} is not of the right form")
    if check != _check(body):
        raise ValueError("it was edited by hand")
    body["recipients"] = tuple(body["recipients"])
    return Sidecar(**body)


def _check(body: Mapping[str, Any]) -> str:
    return digest(canonical(body))


def _text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _like(pattern: re.Pattern[str]) -> Any:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _optional(pattern: re.Pattern[str]) -> Any:
    return lambda value: value is None or (isinstance(value, str) and pattern.fullmatch(value) is not None)


def _recipients(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(map(_text, value)) and value == sorted(value)


def _parents(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) and _ID.fullmatch(item) for item in value.values())


_SHAPES = {
    "instance": _text,
    "kind": _text,
    "secret": _text,
    "recipients": _recipients,
    "inputs": _like(_HASH),
    "ciphertext": _like(_HASH),
    "id": _like(_ID),
    "parents": _parents,
    "state": _like(_STATE),
    "created": _like(_TIME),
    "expires": _optional(_TIME),
    "digest": _optional(_HASH),
}
_FIELDS = {*_SHAPES, "check"}
