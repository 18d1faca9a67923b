"""What an age file tells without any private key (age-encryption.org/v1): whether it is whole, and for whom it is."""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

_BEGIN = b"-----BEGIN AGE ENCRYPTED FILE-----\n"
_END = b"-----END AGE ENCRYPTED FILE-----\n"
_VERSION = b"age-encryption.org/v1\n"
_MAC = re.compile(rb"^--- [A-Za-z0-9+/]{43}\n", re.MULTILINE)
#: Nonce of the payload and the tag of its last chunk: what even an empty plaintext takes.
_LEAST_PAYLOAD = 16 + 16


@dataclass(frozen=True)
class AgeFile:
    """`tags`: `type tag` of each recipient stanza, as `tag()` computes it from a public key."""

    armored: bool
    tags: frozenset[str]


def parse(content: bytes) -> AgeFile:
    """Raises ValueError with the reason when this is no age file or not a whole one."""
    armored = content.lstrip().startswith(b"-----BEGIN")
    raw = _dearmored(content) if armored else content
    if not raw.startswith(_VERSION):
        raise ValueError("it is empty" if not content else "it is not an age file")
    mac = _MAC.search(raw)
    if mac is None or len(raw) - mac.end() < _LEAST_PAYLOAD:
        raise ValueError("it is cut off")
    stanzas = [line.split(b" ")[1:3] for line in raw[: mac.start()].splitlines() if line.startswith(b"-> ")]
    # age implementations add a stanza of a random type ending in -grease, so that parsers stay tolerant.
    known = {b" ".join(parts).decode("ascii", "replace") for parts in stanzas if not parts[0].endswith(b"-grease")}
    return AgeFile(armored, frozenset(known))


def tags(recipients: Iterable[str]) -> frozenset[str]:
    """What `AgeFile.tags` is for a file encrypted to exactly these SSH public keys (`type base64`)."""
    return frozenset(_tag(recipient) for recipient in recipients)


def _tag(recipient: str) -> str:
    kind, body = recipient.split(" ")[:2]
    digest = hashlib.sha256(base64.b64decode(body)).digest()[:4]
    return f"{kind} {base64.b64encode(digest).decode('ascii').rstrip('=')}"


def _dearmored(content: bytes) -> bytes:
    text = content.strip().replace(b"\r\n", b"\n") + b"\n"
    if not text.startswith(_BEGIN):
        raise ValueError("it is not an age file")
    if not text.endswith(b"\n" + _END):
        raise ValueError("it is cut off")
    try:
        return base64.b64decode(text[len(_BEGIN) : -len(_END)].replace(b"\n", b""), validate=True)
    except binascii.Error:
        raise ValueError("its base64 is damaged") from None
