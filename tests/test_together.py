"""Several facts in one command: each gets its own part of the answer, and an answer that is cut is none."""

import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyinfra.api.facts import FactBase

from desired.errors import HostStop
from facts.together import Question, answers, together


class Shell(FactBase[list[str]]):
    """The lines that a text prints."""

    def command(self, text: str) -> str:
        return text

    @staticmethod
    def default() -> list[str]:
        return ["nothing"]

    def process(self, output: list[str]) -> list[str]:
        if "unreadable" in output:
            raise HostStop("this cannot be read")
        return list(output)


def questions(*texts: str) -> tuple[Question, ...]:
    return tuple(Question(Shell, {"text": text}) for text in texts)


def told(asked: tuple[Question, ...]) -> list[str]:
    command = together(asked)
    stdin = command.connector_arguments["_stdin"]
    assert isinstance(stdin, str)
    done = subprocess.run(["sh", "-c", command.get_raw_value()], input=stdin, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("echo a; echo b", ["a", "b"]),
        ("printf a", ["a"]),
        ("true", ["nothing"]),
        ("echo; echo", ["", ""]),
        ("echo a; exit 7", ["a"]),
        ("kill -9 $(sh -c 'echo $PPID')", ["nothing"]),
        ("cat", ["nothing"]),
        ("echo a >&2", ["nothing"]),
        ("cat <<'END'\n$HOME `x` 'y\nEND", ["$HOME `x` 'y"]),
        ("cd /; x=3; set -u; exec echo a", ["a"]),
    ],
)
def test_each_gets_its_own(text: str, lines: list[str]) -> None:
    """Whatever one does, it takes nothing from the others."""
    asked = questions("echo first", text, "echo last")
    assert answers(asked, told(asked)) == [["first"], lines, ["last"]]


def test_text_that_is_no_shell_takes_the_whole_answer() -> None:
    asked = questions("echo first", "what is this (")
    with pytest.raises(HostStop, match=r"cut off after part \d of 2"):
        answers(asked, told(asked))


def test_a_long_text_travels() -> None:
    """Longer than any argument may be."""
    asked = questions(f"printf '%s' '{'x' * 300_000}' | wc -c")
    assert answers(asked, told(asked)) == [["300000"]]


@given(st.integers(0, 11))
def test_a_cut_answer_is_none(kept: int) -> None:
    mark = "--- supabase answer"
    whole = ["", mark, "a", "", mark, "b", "c", "", mark, "d", "", mark]
    asked = questions("1", "2", "3")
    assert answers(asked, whole) == [["a"], ["b", "c"], ["d"]]
    with pytest.raises(HostStop, match=r"cut off after part \d of 3"):
        answers(asked, whole[:kept])


def test_a_host_that_answers_nothing() -> None:
    with pytest.raises(HostStop, match="cut off after part 0 of 1"):
        answers(questions("1"), [])


def test_an_answer_that_cannot_be_read() -> None:
    asked: Any = questions("echo unreadable")
    with pytest.raises(HostStop, match="this cannot be read"):
        answers(asked, told(asked))
