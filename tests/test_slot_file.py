import json
import os
import resource
import time
import traceback
from pathlib import Path

import pytest

from desired.errors import Busy, SlotStop
from desired.slots import allocate
from tests.secret_project import forked
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


def test_a_thousand_races(tmp_path: Path) -> None:
    """Two processes each take a slot for an instance of their own, again and again: no slot twice, none lost."""

    def racer(name: str, go: int) -> None:
        os.read(go, 1)
        while True:
            try:
                held = slot_file.read(tmp_path)
                slot_file.claim(tmp_path, {"server": allocate(held.get("server", {}), [name])})
            except Busy:
                time.sleep(0.001)
                continue
            os._exit(0)

    for number in range(1000):
        if number % 100 == 0:
            (tmp_path / "slots.json").unlink(missing_ok=True)
        reader, writer = os.pipe()
        children = []
        for side in "ab":
            pid = os.fork()
            if pid == 0:
                os.close(writer)
                try:
                    racer(f"{side}{number}", reader)
                finally:
                    traceback.print_exc()
                    os._exit(1)
            children.append(pid)
        os.close(reader)
        os.close(writer)
        assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0]
        slots = slot_file.read(tmp_path)["server"]
        assert sorted(slots.values()) == list(range(2 * (number % 100) + 2))
        assert {f"a{number}", f"b{number}"} <= slots.keys()


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
