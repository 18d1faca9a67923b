"""What this workstation has seen inside a host's databases, so that one that nobody has written to since is not entered again:
entering one costs the host 10 to 20 ms."""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from desired.cluster_state import Seen
from desired.inside_state import observed_inside
from desired.sql_text import STATIC
from workstation import cache

#: Another question has other answers.
_QUESTION = hashlib.sha256(STATIC["observe_inside"].encode()).hexdigest()


def recall(project: Path, host: str) -> dict[str, Seen]:
    """Database to what was seen; none where that is not known."""
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        databases = cache.recall(project, host, _QUESTION)
        return {name: Seen(mark, observed_inside(inside), inside) for name, (mark, inside) in databases.items()}
    return {}


def keep(project: Path, host: str, seen: Mapping[str, Seen]) -> None:
    """Put it in the place of what was kept."""
    cache.keep(project, host, _QUESTION, {name: (item.mark, item.told) for name, item in seen.items()})
