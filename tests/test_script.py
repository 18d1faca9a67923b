"""Host scripts as one command line."""

import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyinfra.api.command import StringCommand

from facts import script
from facts.script import guarded, run_script, script_text
from workstation.templates import host_script

#: What an argument of a process can be: no NUL, and what UTF-8 can say.
arguments = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=50)
@given(words=st.lists(arguments, max_size=4))
def test_every_argument_survives_the_shell(words: list[str]) -> None:
    """As pyinfra runs it: the whole text is quoted once more for `sh -c` of the login shell."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(script, "host_script", lambda *names: """printf '%s\\0' "$0" "$@" # it's "quoted" $HOME `x`""")
        text = script_text("observe", args=tuple(words))
    for command in (text, shlex.join(["sh", "-c", text])):
        done = subprocess.run(["sh", "-c", command], capture_output=True, check=True)
        assert done.stdout.decode().split("\0")[:-1] == ["observe", *words]
    assert "\n" not in text or any("\n" in word for word in words)


def test_the_last_script_names_the_process() -> None:
    words = shlex.split(script_text("restore", "build", args=("a b",)))
    assert words == ["sh", "-c", host_script("restore", "build"), "build", "a b"]


def test_stdin_is_no_part_of_the_text() -> None:
    command = run_script("install", args=("/etc",), stdin="poison")
    assert "poison" not in command.get_raw_value()
    assert command.connector_arguments == {"_stdin": "poison"}
    assert run_script("confirm").connector_arguments == {}


@pytest.mark.parametrize(("exit_code", "status", "output"), [(0, 0, "did\n"), (3, 1, "did\nreturned\n")])
def test_guarded(exit_code: int, status: int, output: str) -> None:
    """A failure is answered, and stays a failure."""
    command = guarded(StringCommand(f"cat; sh -c 'exit {exit_code}'", _stdin="did\n"), "echo returned")
    assert command.connector_arguments == {"_stdin": "did\n"}
    done = subprocess.run(["sh", "-c", command.get_raw_value()], input="did\n", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (status, output)


def test_without_an_answer_the_command_is_as_it_was() -> None:
    command = StringCommand("true")
    assert guarded(command, "") is command
