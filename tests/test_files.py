import os
import resource
from pathlib import Path

import pytest

from tests.secret_project import forked
from workstation import files


def test_a_file_is_written_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert files.read(path) is None
    files.write_atomic(path, b"one")
    files.write_atomic(path, b"two", mode=0o600)
    assert files.read(path) == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_what_a_killed_run_left_is_taken_over(tmp_path: Path) -> None:
    left = tmp_path / ".file.tmp"
    left.write_bytes(b"half")
    files.write_atomic(tmp_path / "file", b"whole")
    assert files.read(tmp_path / "file") == b"whole"
    assert not left.exists()


def test_a_link_in_the_place_of_the_temporary_file_is_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"other")
    (tmp_path / ".file.tmp").symlink_to(other)
    files.write_atomic(tmp_path / "file", b"whole")
    assert other.read_bytes() == b"other"


def test_a_failing_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.write_atomic(path, b"old")

    def write_too_much() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        with pytest.raises(OSError, match="File too large"):
            files.write_atomic(path, b"x" * 2000)

    assert forked(write_too_much) == 0
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_name_that_is_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(OSError, match="directory"):
        files.write_atomic(tmp_path / "file", b"x")
    assert os.listdir(tmp_path) == ["file"]


def test_remove(tmp_path: Path) -> None:
    files.write_atomic(tmp_path / "file", b"x")
    files.remove(tmp_path / "file")
    files.remove(tmp_path / "file")
    assert os.listdir(tmp_path) == []
