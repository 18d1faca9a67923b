"""The project lock: one run at a time writes the user's files. Never taken in a dry run."""

import fcntl
import json
import os
import socket
from pathlib import Path

from desired.errors import Busy, Stop
from desired.sidecar import time_text
from workstation import clock

FILE = ".supabase.lock"
#: What this process holds: lock file to (pid, descriptor). The pid, because a forked child inherits the table, not the right.
_held: dict[Path, tuple[int, int]] = {}


def hold(project: Path) -> None:
    """Take the lock of the project directory and keep it until the process ends, however it ends.

    Taking it again is fine. Raises Busy, naming the holder, when another process has it: it never waits. Raises Stop when
    the directory cannot be written.
    """
    path = project.resolve() / FILE
    if _held.get(path, (0, 0))[0] == os.getpid():
        return
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise Stop(f"the project lock {path} cannot be taken: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = _holder(descriptor)
        os.close(descriptor)
        raise Busy(f"another run is at work in {project}: {holder}; wait until it ends, then run again") from None
    note = {"host": socket.gethostname(), "pid": os.getpid(), "since": time_text(clock.now())}
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(note, sort_keys=True).encode() + b"\n", 0)
    _held[path] = (os.getpid(), descriptor)


def _holder(descriptor: int) -> str:
    """The holder's own note; it may not have written it yet."""
    try:
        note = json.loads(os.pread(descriptor, 4096, 0))
        return f"pid {note['pid']} on {note['host']} since {note['since']}"
    except (ValueError, KeyError, TypeError):
        return "it has only just started"
