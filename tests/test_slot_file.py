import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from desired.errors import Busy, SlotStop
from tests.secret_project import forked, quick_directory
from workstation import lock, slot_file


def test_no_file_is_no_slots_and_nothing_new_writes_nothing(tmp_path: Path) -> None:
    assert slot_file.read(tmp_path) == {}
    slot_file.claim(tmp_path, {"server": {}})
    assert list(tmp_path.iterdir()) == []


def test_claims_add_up_in_sorted_order(tmp_path: Path) -> None:
    slot_file.claim(tmp_path, {"b": {"prod": 1}})
    slot_file.claim(tmp_path, {"b": {"dev": 0, "prod": 1}, "a": {"shop": 0}})
    assert slot_file.read(tmp_path) == {"a": {"shop": 0}, "b": {"dev": 0, "prod": 1}}
    text = (tmp_path / "slots.json").read_text()
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"
    assert sorted(os.listdir(tmp_path)) == [lock.FILE, "slots.json"]


@pytest.mark.parametrize("wanted", [{"dev": 0}, {"prod": 1}, {"new": 0}])
def test_a_slot_is_never_moved(tmp_path: Path, wanted: dict[str, int]) -> None:
    slot_file.claim(tmp_path, {"server": {"prod": 0, "dev": 1}})
    with pytest.raises(Busy, match="run again"):
        slot_file.claim(tmp_path, {"server": wanted})
    assert slot_file.read(tmp_path) == {"server": {"prod": 0, "dev": 1}}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"server": []}',
        b'{"server": null}',
        b'{"": {}}',
        b'{"server": {"prod": "0"}}',
        b'{"server": {"prod": true}}',
        b'{"server": {"prod": 0.0}}',
        b'{"server": {"prod": null}}',
        b'{"server": {"prod": -1}}',
        b'{"server": {"prod": 600}}',
        b'{"server": {"Prod": 0}}',
        b'{"server": {"a-b": 0}}',
        b'{"server": {"prod": 0, "dev": 0}}',
        b'{"server": {"prod": 0, "prod": 1}}',
        b'{"server": {"prod": 0}, "server": {"dev": 1}}',
        b'<<<<<<< HEAD\n{"server": {"prod": 0}}\n',
        b'{"server": {"prod": 0}',
    ],
)
def test_a_corrupt_file_stops_and_stays(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "slots.json").write_bytes(content)
    for run in (lambda: slot_file.read(tmp_path), lambda: slot_file.claim(tmp_path, {"server": {"shop": 3}})):
        with pytest.raises(SlotStop, match=r"slots\.json cannot be trusted.*git"):
            run()
    assert (tmp_path / "slots.json").read_bytes() == content


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "slots.json").mkdir()
    with pytest.raises(SlotStop, match="Is a directory"):
        slot_file.read(tmp_path)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    with quick_directory(tmp_path) as path:
        yield path


def test_a_thousand_races(place: Path) -> None:
    """In an interpreter of their own, small and quick to fork."""
    code = "import sys; from pathlib import Path; from tests.slot_races import races; races(Path(sys.argv[1]), 1000)"
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code, place], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1000 races\n"


def test_a_failing_write_keeps_the_old_file(tmp_path: Path) -> None:
    slot_file.claim(tmp_path, {"server": {"prod": 0}})
    before = (tmp_path / "slots.json").read_bytes()

    def claim_without_space() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        with pytest.raises(SlotStop, match="as before: File too large"):
            slot_file.claim(tmp_path, {"server": {f"shop{number}": number + 1 for number in range(20)}})

    lock_file = tmp_path / lock.FILE
    lock_file.unlink()  # this process holds the old one
    assert forked(claim_without_space) == 0
    assert (tmp_path / "slots.json").read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == [lock.FILE, "slots.json"]
