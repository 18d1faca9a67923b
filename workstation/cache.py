"""What this workstation has found out and need not find out again: in the user's cache directory, with nothing secret in it.

A run acts on it, so it must be the user's own: in a directory that nobody else can write to. Without a lock: where two runs meet,
what one has found out is lost, or the file is none.
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

import desired
from workstation import files


def recall(project: Path, about: str, question: str) -> Any:
    """The answer that was kept; None when that was to another question or of other code, or the file is not there or not ours."""
    path = _file(project, about)
    with suppress(OSError, ValueError, KeyError, TypeError):
        document = json.loads(files.read(path) or b"{}") if _private(path.parent) else {}
        return document["answer"] if document["question"] == [_code(), question] else None
    return None


def keep(project: Path, about: str, question: str, answer: Any) -> None:
    """Put it in the place of what was kept about the same; where that cannot be written, the next run finds out again."""
    text = json.dumps({"question": [_code(), question], "answer": answer}, separators=(",", ":"))
    path = _file(project, about)
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _private(path.parent):
            files.write_atomic(path, text.encode(), 0o600)


def _private(directory: Path) -> bool:
    seen = os.lstat(directory)
    return stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.geteuid() and not seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


@cache
def _code() -> str:
    """Of what decides: as Python tells whether its bytecode is that of a file."""
    sources = (entry for entry in os.scandir(desired.__path__[0]) if entry.name.endswith(".py"))
    known = sorted((entry.name, entry.stat().st_mtime_ns, entry.stat().st_size) for entry in sources)
    return hashlib.sha256(repr((sys.version, known)).encode()).hexdigest()


def _file(project: Path, about: str) -> Path:
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    name = hashlib.sha256(f"{project.resolve()}\n{about}".encode()).hexdigest()[:32]
    return Path(caches, "supabase-nixos", f"{name}.json")
