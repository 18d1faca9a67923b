"""Files of group_data: an instance is added or taken out, the rest stays as its author wrote it."""

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from desired import group_text
from desired.errors import Busy, Stop
from workstation import files, lock


@dataclass(frozen=True)
class Edit:
    """`file`: relative to the project. `old`: as it was read, `new`: as it will be."""

    project: Path
    file: str
    old: bytes
    new: bytes


def adding(project: Path, file: str, name: str, entry: Mapping[str, str]) -> Edit:
    """Raises Stop with the line to add where that is a person's work."""
    old = _read(project, file)
    try:
        return Edit(project, file, old, group_text.added(old.decode(), name, entry).encode())
    except ValueError as error:  # NotPlainError, and what is not UTF-8
        raise Stop(
            f"{file}: instances cannot be edited here: {error}. Nothing was changed; add it there yourself and run this again:\n"
            f"    {group_text.line(name, entry)}"
        ) from None


def removing(project: Path, file: str, name: str) -> Edit:
    """Raises Stop with what to remove where that is a person's work."""
    old = _read(project, file)
    try:
        return Edit(project, file, old, group_text.removed(old.decode(), name).encode())
    except ValueError as error:
        raise Stop(
            f"{file}: instances cannot be edited here: {error}. Nothing was changed; remove the entry of {name} there yourself "
            "and run this again"
        ) from None


def write(edit: Edit) -> None:
    """Put the new text in place under the project lock. Raises Busy when the file is no longer as it was planned from."""
    lock.hold(edit.project)
    path = (edit.project / edit.file).resolve()
    try:
        if files.read(path) != edit.old:
            raise Busy(f"{edit.file} has changed since this run planned; nothing was changed; run again")
        files.write_atomic(path, edit.new, stat.S_IMODE(path.stat().st_mode))
    except OSError as error:
        raise Stop(f"{edit.file} was not written and is as before: {error.strerror}") from error


def _read(project: Path, file: str) -> bytes:
    try:
        return files.read(project / file) or b""
    except OSError as error:
        raise Stop(f"{file}: {error.strerror}") from error
