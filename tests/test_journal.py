import json
import os
from pathlib import Path

import pytest

from desired.errors import SecretStop
from workstation import journal

GROUP = {"b.age": b"new b\n", "a.age": b"new a\n", "a.json": b"{}\n"}


def decided(directory: Path) -> None:
    """What a run leaves that is killed right after the journal's rename."""
    entries = {name: {"new": content.decode(), "old": None} for name, content in GROUP.items()}
    (directory / journal.file("prod")).write_text(json.dumps(entries))


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_a_group_is_written_and_the_journal_gone(tmp_path: Path) -> None:
    (tmp_path / "a.age").write_bytes(b"old a\n")
    journal.write(tmp_path, "prod", GROUP)
    assert contents(tmp_path) == GROUP
    assert journal.pending(tmp_path, "prod") == {}
    journal.complete(tmp_path, "prod")
    assert contents(tmp_path) == GROUP


def test_what_a_killed_run_decided_is_pending_and_completed(tmp_path: Path) -> None:
    decided(tmp_path)
    (tmp_path / "a.age").write_bytes(GROUP["a.age"])
    assert journal.pending(tmp_path, "prod") == GROUP
    assert journal.pending(tmp_path, "dev") == {}
    journal.complete(tmp_path, "dev")
    assert journal.file("prod") in os.listdir(tmp_path)
    journal.complete(tmp_path, "prod")
    assert contents(tmp_path) == GROUP


def test_a_file_changed_since_is_not_written_over(tmp_path: Path) -> None:
    decided(tmp_path)
    (tmp_path / "b.age").write_bytes(b"by hand\n")
    before = contents(tmp_path)
    for run in (journal.pending, journal.complete):
        with pytest.raises(SecretStop, match=r"b\.age was changed after.*\.pending-prod\.json"):
            run(tmp_path, "prod")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("content", ["", "[]", "{", "1", '{"a": 1}', '{"a": {}}', '{"a": {"old": null, "new": 1}}', '{"a": []}'])
def test_a_damaged_journal_stops(tmp_path: Path, content: str) -> None:
    (tmp_path / journal.file("prod")).write_text(content)
    with pytest.raises(SecretStop, match=r"\.pending-prod\.json is damaged"):
        journal.pending(tmp_path, "prod")


def test_every_step_is_on_the_disk_before_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut loses what was not synced: a file is synced before its rename, the names before the journal goes."""
    synced: set[int] = set()
    log: list[str] = []
    real = {name: getattr(os, name) for name in ("fsync", "rename", "unlink")}

    def fsync(descriptor: int) -> None:
        real["fsync"](descriptor)
        status = os.fstat(descriptor)
        synced.add(status.st_ino)
        if Path(f"/proc/self/fd/{descriptor}").resolve() == tmp_path:
            log.append("names")

    def rename(source: Path, target: Path) -> None:
        assert source.stat().st_ino in synced
        real["rename"](source, target)
        log.append(target.name)

    def unlink(path: Path) -> None:
        real["unlink"](path)
        log.append(f"-{path.name}")

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", rename)
    monkeypatch.setattr(os, "unlink", unlink)
    journal.write(tmp_path, "prod", GROUP)
    name = journal.file("prod")
    assert log[:2] == [name, "names"]
    assert set(log[2:-3]) == {*GROUP, "names"}
    assert log[-3:] == ["names", f"-{name}", "names"]
