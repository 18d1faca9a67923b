"""SSH public keys as age recipients."""

import base64
from functools import cache

#: The key types age encrypts to (age(1), "SSH keys"); the others it refuses with `unknown recipient type`.
USABLE = ("ssh-ed25519", "ssh-rsa")
#: Sizes of RSA keys that both age and pyrage take.
_RSA_BITS = range(2048, 4096 + 1)
#: edwards25519 (RFC 8032 §5.1): the prime, and d of -x² + y² = 1 + dx²y².
_PRIME = 2**255 - 19
_D = -121665 * pow(121666, -1, _PRIME) % _PRIME


def usable_recipient(line: str) -> str:
    """`type base64`, the comment cut off, as age wants it.

    Raises ValueError with the reason, which never quotes the line, when it is no public key or age cannot encrypt to it.
    """
    if "PRIVATE KEY" in line or "AGE-SECRET-KEY" in line:
        raise ValueError("this is a private key, now in a text file: make a new pair and give the line of its .pub file")
    kind, body, *_ = [*line.split(), "", ""]
    if kind not in USABLE:
        raise ValueError(f"{_refusal(kind)}; make one with `ssh-keygen -t ed25519` and give the line of its .pub file")
    if len(line.strip().splitlines()) > 1:
        raise ValueError("these are several lines; give one line of a .pub file an entry")
    try:
        name, *parts = _strings(base64.b64decode(body, validate=True))
        if name.decode("ascii") != kind or not (_is_point(*parts) if kind == "ssh-ed25519" else _is_modulus(*parts)):
            raise ValueError
    except (ValueError, TypeError):
        raise ValueError("the key is cut off or damaged; copy the whole line of the .pub file") from None
    if kind == "ssh-rsa" and (bits := int.from_bytes(parts[1]).bit_length()) not in _RSA_BITS:
        raise ValueError(f"age takes RSA keys of {_RSA_BITS.start} to {_RSA_BITS.stop - 1} bits, this one has {bits}")
    return f"{kind} {body}"


def _refusal(kind: str) -> str:
    if kind.startswith("sk-"):
        return f"{kind} lives in a security key, which age cannot decrypt with"
    if kind.startswith(("ecdsa-", "ssh-")):
        return f"age has no support for {kind}"
    if kind.startswith("age1"):
        return "this is a recipient of age's own kind, and operators are SSH keys"
    if kind.endswith(".pub"):
        return "this is the name of a file, not the key in it"
    return "this is no SSH public key"


def _strings(blob: bytes) -> list[bytes]:
    """The strings a key consists of (RFC 4253 §6.6). Raises ValueError when the last one is not whole."""
    found = []
    while blob:
        end = 4 + int.from_bytes(blob[:4])
        if len(blob) < end:
            raise ValueError
        found.append(blob[4:end])
        blob = blob[end:]
    return found


@cache
def _is_point(encoded: bytes) -> bool:
    """Whether this is a public key of ed25519; pyrage refuses others, which half of all mistyped keys are."""
    y = int.from_bytes(encoded, "little") & (2**255 - 1)
    x_squared = (y * y - 1) * pow(_D * y * y + 1, -1, _PRIME) % _PRIME
    return len(encoded) == 32 and pow(x_squared, (_PRIME - 1) // 2, _PRIME) in (0, 1)


def _is_modulus(exponent: bytes, modulus: bytes) -> bool:
    return int.from_bytes(modulus) % 2 == 1 and int.from_bytes(exponent) % 2 == 1
