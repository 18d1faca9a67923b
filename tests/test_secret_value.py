from datetime import UTC, datetime

import pytest

from desired import tokens
from desired.secret_plan import Wanted
from desired.secret_value import describe, line, value_of
from desired.sidecar import digest

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def item(kind: str, **parents: str) -> Wanted:
    return Wanted("prod", kind, f"supabase-prod-{kind}", ("ssh-ed25519 AAAA",), {}, parents)


@pytest.mark.parametrize("plaintext", [b"value\n", b"value", b"value\r\n"])
def test_one_line_however_the_editor_ended_it(plaintext: bytes) -> None:
    assert value_of(plaintext) == "value"
    assert value_of(line("value")) == "value"


@pytest.mark.parametrize(
    "plaintext", [b"", b"\n", b"one\ntwo\n", b"one\n\n", b" value\n", b"value \n", b"\xff\xfe", b"one\x0btwo"]
)
def test_anything_else_is_refused_without_being_quoted(plaintext: bytes) -> None:
    with pytest.raises(ValueError, match=r"^it is not (text|one line without spaces around it)$") as caught:
        value_of(plaintext)
    assert caught.value.__cause__ is None


def test_a_signing_secret_is_known_by_its_kid_and_others_by_a_random_id() -> None:
    facts = {"ciphertext": b"age", "random_id": b"\1" * 8, "created": "2026-11-22T00:00:00Z", "state": "current"}
    secret = "s" * 64
    signing = describe(item("jwt"), secret, parents={}, **facts)  # type: ignore[arg-type]
    assert (signing.id, signing.expires, signing.digest) == (tokens.kid(secret), None, None)
    anon = describe(
        item("anon", jwt="supabase-prod-jwt"),
        tokens.mint(secret, "anon", NOW),
        parents={"jwt": signing.id, "db": "0" * 16},
        **facts,  # type: ignore[arg-type]
    )
    assert (anon.id, anon.parents, anon.expires) == ("01" * 8, {"jwt": signing.id}, "2031-11-22T00:00:00Z")
    verifier = describe(item("dbverifier", db="supabase-prod-db"), "SCRAM", parents={"db": "0" * 16}, **facts)  # type: ignore[arg-type]
    assert (verifier.digest, verifier.ciphertext) == (digest(b"SCRAM"), digest(b"age"))
