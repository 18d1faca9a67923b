"""Several facts of a host as one command, for reports that look at a host once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pyinfra.api.command import StringCommand
from pyinfra.api.facts import FactBase

from desired.errors import HostStop

_MARK = "--- supabase answer"


@dataclass(frozen=True)
class Question:
    """A fact and its arguments."""

    kind: type[FactBase[Any]]
    arguments: dict[str, Any] = field(default_factory=dict)


def together(questions: Sequence[Question]) -> StringCommand:
    """One command for all. Its text travels on stdin: as an argument it would have to fit into 128 KiB."""
    # Each in a shell of its own, with nothing left of the text to read. A mark stands on a line of its own even after
    # output without a last line end.
    asked = [f"(\n{question.kind().command(**question.arguments)}\n) </dev/null" for question in questions]
    text = f"\nprintf '\\n{_MARK}\\n'\n".join(["", *asked, ""])
    return StringCommand('eval "$(cat)" 2>/dev/null', _stdin=text)


def answers(questions: Sequence[Question], output: Sequence[str]) -> list[Any]:
    """The value of each fact. Raises HostStop when the output ends early or is no answer."""
    parts: list[list[str]] = [[]]
    for line in output:
        if line == _MARK:
            if parts[-1][-1:] == [""]:
                parts[-1].pop()
            parts.append([])
        else:
            parts[-1].append(line)
    if len(parts) != len(questions) + 2:
        raise HostStop(f"its answer was cut off after part {len(parts) - 1} of {len(questions)}")
    return [_value(question, part) for question, part in zip(questions, parts[1:-1], strict=True)]


def _value(question: Question, output: list[str]) -> Any:
    fact = question.kind()
    return fact.process(output) if output else fact.default()
