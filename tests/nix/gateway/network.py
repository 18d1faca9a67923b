"""Network namespaces."""

import ctypes
import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.nix.evaluation import needs
from tests.require import give_up


@contextmanager
def namespace(program: Iterable[str]) -> Iterator[Path]:
    """A network namespace with loopback only, which lives as long as the program inside that has said something."""
    needs("unshare", "nsenter", "ip")
    if os.geteuid():
        give_up("a network namespace needs root")
    words = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *program]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as running:
        try:
            assert running.stdout
            if not running.stdout.readline():
                give_up("no network namespace can be made here")
            yield Path(f"/proc/{running.pid}/ns/net")
        finally:
            running.kill()


@contextmanager
def inside(network: Path) -> Iterator[None]:
    """Sockets of this thread are made in that namespace while the block runs."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open() as outside, network.open() as entered:
        assert libc.setns(entered.fileno(), 0) == 0
        try:
            yield
        finally:
            assert libc.setns(outside.fileno(), 0) == 0
