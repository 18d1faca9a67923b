"""API keys: JSON Web Tokens signed with an instance's secret (supabase-stack.md §2.3), and the kid that names the secret."""

import hashlib
from datetime import UTC, datetime

import jwt

ISSUER = "supabase"
YEARS = 5


def kid(secret: str) -> str:
    """The public name of a signing secret: 16 hex digits that do not lead back to it."""
    return hashlib.sha256(b"supabase-kid:" + secret.encode()).hexdigest()[:16]


def mint(secret: str, role: str, now: datetime) -> str:
    """A token for `role` that lives five calendar years from `now` (with a time zone), with the secret's kid."""
    claims = {
        "role": role,
        "iss": ISSUER,
        "iat": int(now.timestamp()),
        "exp": int(_years_later(now).timestamp()),
    }
    return jwt.encode(claims, secret, algorithm="HS256", headers={"kid": kid(secret)})


def fault(token: str, secret: str, role: str, now: datetime) -> str | None:
    """Why `token` is not a valid key of `role` signed with `secret`; None when it is. Never quotes either."""
    try:
        if jwt.get_unverified_header(token).get("kid") != kid(secret):
            return "its kid is not that of the signing secret"
        options = {
            "require": ["exp", "iss", "role"],
            "verify_exp": False,
            "verify_iat": False,
            "verify_nbf": False,
        }
        claims = jwt.decode(token, secret, algorithms=["HS256"], issuer=ISSUER, options=options)  # type: ignore[arg-type]
    except jwt.InvalidSignatureError:
        return "it is not signed with the signing secret"
    except jwt.InvalidTokenError:
        return f"it is no token of issuer {ISSUER} with role and exp"
    if claims["role"] != role:
        return f"its role is not {role}"
    if not isinstance(claims["exp"], int) or claims["exp"] <= now.timestamp():
        return "it has expired"
    return None


def expiry(token: str) -> datetime:
    """When a token that `mint` made, or `fault` found nothing wrong with, expires."""
    claims = jwt.decode(token, options={"verify_signature": False, "verify_exp": False})
    return datetime.fromtimestamp(claims["exp"], UTC)


def _years_later(now: datetime) -> datetime:
    try:
        return now.replace(year=now.year + YEARS)
    except ValueError:  # the 29th of February
        return now.replace(year=now.year + YEARS, day=28)
