"""What this workstation has found out and need not find out again: in the user's cache directory, with nothing secret in it.

A run acts on it, so the file must be the user's own. Without a lock: where two runs meet, what one has found out is lost, or the
file is none.
"""

import hashlib
import json
import os
import stat
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from workstation import files

_ROOT = Path(__file__).parent.parent
_PACKAGES = ("desired", "facts", "operations", "workstation")


def recall(project: Path, about: str, question: str) -> Any:
    """The answer that was kept; None when that was to another question or of other code, or the file is not there or not ours."""
    with suppress(OSError, ValueError, KeyError, TypeError), open(_file(project, about), encoding="utf-8", opener=_own) as file:
        document = json.load(file)
        return document["answer"] if document["question"] == [_code(), question] else None
    return None


def keep(project: Path, about: str, question: str, answer: Any) -> None:
    """Put it in the place of what was kept about the same; where that cannot be written, the next run finds out again."""
    text = json.dumps({"question": [_code(), question], "answer": answer}, separators=(",", ":"))
    path = _file(project, about)
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.write_atomic(path, text.encode(), 0o600)


def _own(path: str, flags: int) -> int:
    """Raises PermissionError where somebody else has written, or could."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW)
    seen = os.fstat(descriptor)
    if seen.st_uid != os.geteuid() or seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        os.close(descriptor)
        raise PermissionError(path)
    return descriptor


@cache
def _code() -> str:
    """Of what finds out and judges: as Python tells whether its bytecode is that of a file."""
    sources = sorted(path for package in _PACKAGES for path in (_ROOT / package).glob("*.py"))
    known = [(path.name, path.stat().st_mtime_ns, path.stat().st_size) for path in sources]
    return hashlib.sha256(repr((sys.version, known)).encode()).hexdigest()


def _file(project: Path, about: str) -> Path:
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    name = hashlib.sha256(f"{project.resolve()}\n{about}".encode()).hexdigest()[:32]
    return Path(caches, "supabase-nixos", f"{name}.json")
