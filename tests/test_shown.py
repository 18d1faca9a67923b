import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired.shown import named, shown, suggestion


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("8000", "'8000'"),
        ("", "''"),
        ("it's", '"it\'s"'),
        ("a\nb\x1b[0m\u202e", r"'a\nb\x1b[0m\u202e'"),
        ("x" * 58, f"'{'x' * 58}'"),
        ("x" * 59, f"'{'x' * 55}...'"),
        (8000, "8000"),
        (True, "True"),
        (None, "None"),
        (1.5, "1.5"),
        ([1], None),
        ({}, None),
        (object(), None),
        (b"bytes", None),
        ("-----BEGIN RSA PRIVATE KEY-----", None),
        ("AGE-SECRET-KEY-1ABC", None),
        ("b3BlbnNzaC1rZXktdjEAAAAABG5vbmU", None),
        ("eyJhbGciOiJIUzI1NiJ9.e30.x", None),
        ("postgresql://u:p@h/d", None),
        ("https://example.org", "'https://example.org'"),
    ],
)
def test_shown(value: object, text: str | None) -> None:
    assert shown(value) == text


@given(st.text())
def test_one_short_line(value: str) -> None:
    text = shown(value) or ""
    assert text.isprintable()
    assert len(text) <= 60


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("subdmain", "subdmain"),
        ("a b", "'a b'"),
        (1, "1"),
        ("eyJx.y", "(a key that is not shown)"),
        ("a\n", r"'a\n'"),
        ("", "''"),
    ],
)
def test_named(key: object, text: str) -> None:
    assert named(key) == text


def test_suggestion() -> None:
    assert suggestion("prd", ["prod", "dev"]) == "did you mean prod?"
    assert suggestion("zzz", ["prod", "dev"]) == "known: dev, prod"
    assert suggestion(True, []) == "known: none"
