import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from desired import tokens

SECRET = "s" * 64
NOW = datetime(2026, 11, 22, 17, 25, 9, tzinfo=UTC)


def decoded(part: str) -> dict[str, Any]:
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


def test_a_token_is_signed_and_says_what_it_is_for() -> None:
    header, claims, signature = tokens.mint(SECRET, "anon", NOW).split(".")
    assert decoded(header) == {"alg": "HS256", "typ": "JWT", "kid": tokens.kid(SECRET)}
    later = int(datetime(2031, 11, 22, 17, 25, 9, tzinfo=UTC).timestamp())
    assert decoded(claims) == {"role": "anon", "iss": "supabase", "iat": int(NOW.timestamp()), "exp": later}
    wanted = base64.urlsafe_b64encode(hmac.digest(SECRET.encode(), f"{header}.{claims}".encode(), "sha256"))
    assert signature == wanted.decode().rstrip("=")


def test_pyjwt_accepts_it() -> None:
    token = tokens.mint(SECRET, "service_role", datetime.now(UTC))
    claims = jwt.decode(token, SECRET, algorithms=["HS256"], issuer="supabase", options={"require": ["exp", "iat"]})
    assert claims["role"] == "service_role"
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, "t" * 64, algorithms=["HS256"])


def test_kid_is_the_digest_that_the_host_computes() -> None:
    assert tokens.kid(SECRET) == hashlib.sha256(b"supabase-kid:" + SECRET.encode()).hexdigest()[:16]


def test_five_calendar_years_from_a_leap_day() -> None:
    token = tokens.mint(SECRET, "anon", datetime(2028, 2, 29, 12, tzinfo=UTC))
    assert tokens.expiry(token) == datetime(2033, 2, 28, 12, tzinfo=UTC)


def forged(claims: dict[str, Any], secret: str = SECRET, **header: Any) -> str:
    return jwt.encode(claims, secret, algorithm="HS256", headers={"kid": tokens.kid(SECRET), **header})


GOOD = {"role": "anon", "iss": "supabase", "exp": int((NOW + timedelta(days=1)).timestamp())}


@pytest.mark.parametrize(
    ("token", "problem"),
    [
        (tokens.mint(SECRET, "anon", NOW), None),
        (forged(GOOD), None),
        (tokens.mint("t" * 64, "anon", NOW), "kid"),
        (forged(GOOD, secret="t" * 64), "not signed"),
        (jwt.encode(GOOD, SECRET), "kid"),
        (forged({**GOOD, "role": "service_role"}), "role is not anon"),
        (forged({**GOOD, "iss": "supabase-demo"}), "issuer supabase"),
        (forged({**GOOD, "exp": int(NOW.timestamp())}), "expired"),
        (forged({"role": "anon", "iss": "supabase"}), "exp"),
        (forged({**GOOD, "exp": "tomorrow"}), "exp"),
        ("", "no token"),
        ("one.two.three", "no token"),
        ("grün", "no token"),
    ],
)
def test_fault_names_the_first_thing_wrong_and_quotes_nothing(token: str, problem: str | None) -> None:
    fault = tokens.fault(token, SECRET, "anon", NOW)
    assert (fault is None) == (problem is None)
    if fault and problem:
        assert problem in fault
        assert not token or token not in fault
        assert SECRET not in fault
