"""SCRAM-SHA-256 verifiers as PostgreSQL stores them in pg_authid.rolpassword (RFC 5802, RFC 7677; scram-common.c)."""

import base64
import binascii
import hashlib
import hmac

ITERATIONS = 4096
SALT_BYTES = 16


def verifier(password: str, salt: bytes) -> str:
    """`SCRAM-SHA-256$4096:<salt>$<StoredKey>:<ServerKey>`, which `ALTER ROLE ... PASSWORD` stores unchanged.

    `password` is printable ASCII, for which SASLprep changes nothing; anything else raises ValueError.
    """
    if not password or not all("!" <= character <= "~" for character in password):
        raise ValueError("a password of printable ASCII characters without spaces is wanted")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, ITERATIONS)
    stored = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    return f"SCRAM-SHA-256${ITERATIONS}:{_text(salt)}${_text(stored)}:{_text(_hmac(salted, b'Server Key'))}"


def matches(text: str, password: str) -> bool:
    """Whether `text` is the verifier of `password`, with whatever salt it carries."""
    try:
        salt = base64.b64decode(text.split("$")[1].partition(":")[2], validate=True)
        return hmac.compare_digest(text, verifier(password, salt))
    except (IndexError, TypeError, ValueError, binascii.Error):
        return False


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
