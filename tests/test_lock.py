import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from desired.errors import Busy, Stop
from tests.secret_project import forked
from workstation import lock


def busy(project: Path) -> None:
    with pytest.raises(Busy, match="another run is at work"):
        lock.hold(project)


def test_one_process_holds_it_as_often_as_it_likes(tmp_path: Path) -> None:
    lock.hold(tmp_path)
    lock.hold(tmp_path / ".." / tmp_path.name)
    assert forked(lambda: busy(tmp_path)) == 0
    other = tmp_path / "other"
    other.mkdir()
    assert forked(lambda: lock.hold(other)) == 0


def test_busy_names_the_holder(tmp_path: Path) -> None:
    lock.hold(tmp_path)

    def told() -> None:
        with pytest.raises(Busy, match=rf"pid {os.getppid()} on .* since 20\d\d-"):
            lock.hold(tmp_path)

    assert forked(told) == 0


def test_it_ends_with_the_process_however_that_ends(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        lock.hold(tmp_path)
        os.write(writer, b"held")
        time.sleep(60)
        os._exit(0)
    assert os.read(reader, 4) == b"held"
    busy(tmp_path)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    lock.hold(tmp_path)


def test_a_program_started_meanwhile_does_not_keep_it(tmp_path: Path) -> None:
    def start() -> None:
        lock.hold(tmp_path)
        subprocess.Popen(["sleep", "2"], close_fds=False)

    assert forked(start) == 0
    lock.hold(tmp_path)


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(Stop, match=r"\.supabase\.lock cannot be taken: No such file or directory"):
        lock.hold(tmp_path / "nowhere")


@pytest.mark.parametrize("note", [b"", b"{}", b"[]", b"\xff", b'{"pid": 1}'])
def test_a_holder_that_has_not_said_who_it_is(tmp_path: Path, note: bytes) -> None:
    lock.hold(tmp_path)
    (tmp_path / lock.FILE).write_bytes(note)

    def told() -> None:
        with pytest.raises(Busy, match="only just started"):
            lock.hold(tmp_path)

    assert forked(told) == 0
