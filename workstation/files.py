"""Files of this workstation, written whole or not at all."""

import os
from contextlib import suppress
from pathlib import Path


def write_atomic(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Put `content` at `path` so that any reader, even after a power cut, sees the old file or the new one.

    The caller holds the project lock. On OSError (no space, read-only) the old file is untouched and nothing is left.
    """
    temporary = temporary_of(path)
    with suppress(FileNotFoundError):
        os.unlink(temporary)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    sync_directory(path.parent)


def temporary_of(path: Path) -> Path:
    """Where `write_atomic` prepares a file: always the same name, so that the next write takes over what a kill left."""
    return path.with_name(f".{path.name}.tmp")


def remove(path: Path) -> None:
    """Remove a file for good; one that is not there is fine."""
    with suppress(FileNotFoundError):
        os.unlink(path)
        sync_directory(path.parent)


def read(path: Path | str) -> bytes | None:
    """The content, or None when there is no such file."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except FileNotFoundError:
        return None


def sync_directory(directory: Path) -> None:
    """Make the names in a directory survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
