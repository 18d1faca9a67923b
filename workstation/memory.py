"""What this workstation has seen inside a host's databases, so that one that nobody has written to since is not entered again.

Entering one costs the host 10 to 20 ms. It is kept in the user's cache directory; without it every database is entered. There is
nothing secret in it.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from desired.cluster_state import Seen
from desired.inside_state import observed_inside
from desired.sql_text import STATIC
from workstation import files

#: Another question has other answers.
_QUESTION = hashlib.sha256(STATIC["observe_inside"].encode()).hexdigest()


def recall(project: Path, host: str) -> dict[str, Seen]:
    """Database to what was seen. Nothing when the file is not there or not ours."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        document = json.loads(files.read(_file(project, host)) or b"{}")
        if document["question"] == _QUESTION:
            return {name: Seen(mark, observed_inside(inside), inside) for name, (mark, inside) in document["databases"].items()}
    return {}


def keep(project: Path, host: str, seen: Mapping[str, Seen]) -> None:
    """Put it in the place of what was kept; where that cannot be written, the next run looks again. Without a lock: where two
    runs meet, what one has seen is lost, or the file is none."""
    path = _file(project, host)
    databases = {name: (item.mark, item.told) for name, item in seen.items()}
    text = json.dumps({"question": _QUESTION, "databases": databases}, separators=(",", ":"))
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.write_atomic(path, text.encode(), 0o600)


def _file(project: Path, host: str) -> Path:
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    name = hashlib.sha256(f"{project.resolve()}\n{host}".encode()).hexdigest()[:32]
    return Path(caches, "supabase-nixos", f"{name}.json")
