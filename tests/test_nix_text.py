import json
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired import nix_text

AWKWARD = [
    "",
    "plain",
    'a"b',
    "a\\",
    "\\${x}",
    "${x}",
    "$${x}",
    "$",
    "$$",
    "''",
    "''${x}",
    "\n\r\t",
    "grün ☃ 𝄞",
    "{",
    "a\\nb",
    "\x01\x7f",
]


def evaluated(text: str) -> object:
    if shutil.which("nix-instantiate") is None:
        pytest.skip("no nix-instantiate on this machine")
    command = ["nix-instantiate", "--eval", "--strict", "--json", "-E", text]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_nix_reads_back_what_was_written() -> None:
    assert evaluated(nix_text.listed(AWKWARD)) == AWKWARD
    assert evaluated(nix_text.listed([])) == []


def test_nix_reads_back_any_text() -> None:
    collected: list[str] = []

    @given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
    def collect(value: str) -> None:
        nix_text.quoted(value)
        collected.append(value)

    collect()
    assert evaluated(nix_text.listed(collected)) == collected


def test_nul_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        nix_text.quoted("a\0b")
