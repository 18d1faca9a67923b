"""The databases of a host whose inside this workstation has seen to be as wanted, so that one that nobody has written to since is
not entered again: entering one costs the host 10 to 20 ms."""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from desired.sql_text import STATIC
from workstation import cache

#: Other questions have other answers, and what is wanted of triggers is SQL too.
_QUESTION = hashlib.sha256("".join(text for _, text in sorted(STATIC.items())).encode()).hexdigest()


def recall(project: Path, host: str) -> dict[str, str]:
    """Database to the mark that it had then."""
    with suppress(TypeError, ValueError):
        return {name: str(mark) for name, mark in dict(cache.recall(project, host, _QUESTION)).items()}
    return {}


def keep(project: Path, host: str, marks: Mapping[str, str]) -> None:
    """Put them in the place of those that were kept."""
    cache.keep(project, host, _QUESTION, dict(marks))
