"""Secrets that everybody knows: they stand in Supabase's example configuration and its local stack, and from there in many a
deployment."""

import base64
import binascii

_KNOWN = (
    "super-secret-jwt-token-with-at-least-32-characters-long",
    "your-super-secret-and-long-postgres-password",
    "this_password_is_insecure_and_should_be_updated",
    "your-encryption-key-32-chars-min",
    "850181e4652dd023b7a98c58ae0d2d34bd487ee0cc3254aed6eda37307425907",
    "supabaserealtime",
    "SAMPLE_KEY",
)
#: Of the example's own keys, which its signing secret has signed.
_ISSUER = b"supabase-demo"


def fault(value: str) -> str | None:
    """Why `value` is no secret, None where it is not one of these. Never quotes it."""
    if any(known in value for known in _KNOWN) or _ISSUER in _claims(value):
        return (
            "it stands in Supabase's public example configuration, where everybody can read it: have one made, or choose your own"
        )
    return None


def _claims(token: str) -> bytes:
    """The middle of a token, or nothing."""
    parts = token.split(".")
    try:
        return base64.urlsafe_b64decode(parts[1] + "==") if len(parts) == 3 else b""
    except (binascii.Error, ValueError):
        return b""
