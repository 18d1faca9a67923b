import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired.sidecar import Sidecar, parse, render, time_of, time_text

HEX = "0123456789abcdef"
hashes = st.text(HEX, min_size=64, max_size=64)
ids = st.text(HEX, min_size=16, max_size=16)
times = st.datetimes(datetime(2000, 1, 1), datetime(2900, 1, 1), timezones=st.just(UTC)).map(time_text)
words = st.text(min_size=1)
sidecars = st.builds(
    Sidecar,
    instance=words,
    kind=words,
    secret=words,
    recipients=st.lists(words, min_size=1).map(lambda keys: tuple(sorted(keys))),
    inputs=hashes,
    ciphertext=hashes,
    id=ids,
    parents=st.dictionaries(words, ids),
    state=st.one_of(st.sampled_from(["current", "next"]), times.map("previous until {}".format)),
    created=times,
    expires=st.none() | times,
    digest=st.none() | hashes,
)
ONE = Sidecar("prod", "anon", "supabase-prod-anon", ("ssh-ed25519 AAAA", "ssh-rsa BBBB"), "0" * 64, "1" * 64, "2" * 16,
              {"jwt": "3" * 16}, "current", "2026-11-22T17:25:09Z", "2031-11-22T17:25:09Z", None)  # fmt: skip


@given(sidecars)
def test_what_is_written_is_read_back(sidecar: Sidecar) -> None:
    assert parse(render(sidecar)) == sidecar
    assert render(parse(render(sidecar))) == render(sidecar)


def test_the_file_is_canonical() -> None:
    text = render(ONE).decode()
    body = json.loads(text)
    assert text == json.dumps(body, indent=2, sort_keys=True) + "\n"
    assert body["recipients"] == ["ssh-ed25519 AAAA", "ssh-rsa BBBB"]


@pytest.mark.parametrize("field", [*vars(ONE), "check"])
@pytest.mark.parametrize(
    "value", [None, "", "x", 1, True, [], {}, ["b", "a"], {"jwt": 1}, "4" * 64, "5" * 16, "2026-01-01T00:00:00Z", "next"]
)
def test_every_edited_field_is_seen(field: str, value: Any) -> None:
    body = json.loads(render(ONE))
    if body[field] == value:
        return
    with pytest.raises(ValueError, match=r"edited by hand|not of the right form"):
        parse(json.dumps({**body, field: value}).encode())


@pytest.mark.parametrize("field", [*vars(ONE), "check"])
def test_missing_and_unknown_fields(field: str) -> None:
    body = json.loads(render(ONE))
    more = json.dumps({**body, f"{field}x": 1}).encode()
    del body[field]
    for content in (json.dumps(body).encode(), more):
        with pytest.raises(ValueError, match="fields"):
            parse(content)


def test_every_cut_is_seen() -> None:
    content = render(ONE)
    for end in range(len(content) - 1):
        with pytest.raises(ValueError, match=r"JSON|fields"):
            parse(content[:end])


@pytest.mark.parametrize("content", [b"[]", b"null", b"1", b"\xff", b"<<<<<<< HEAD\n", b"{}"])
def test_other_files(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|fields"):
        parse(content)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2900, 1, 1), timezones=st.just(UTC)))
def test_times(moment: datetime) -> None:
    assert time_of(time_text(moment)) == moment.replace(microsecond=0)
