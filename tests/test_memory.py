"""Which databases were as wanted is kept for the next run on the same host; test_inside.py shows that it is not used for what
has changed."""

from pathlib import Path

import pytest

from workstation import cache, memory

MARKS = {"supabase_prod": "1f"}


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))


def test_kept_for_one_host_of_one_project(tmp_path: Path) -> None:
    assert memory.recall(tmp_path, "one") == {}
    memory.keep(tmp_path, "one", MARKS)
    assert memory.recall(tmp_path, "one") == MARKS
    assert memory.recall(tmp_path, "two") == memory.recall(tmp_path / "other", "one") == {}
    memory.keep(tmp_path, "one", {})
    assert memory.recall(tmp_path, "one") == {}


@pytest.mark.parametrize("found", [[], [1], "text", 5, None])
def test_what_is_no_list_of_marks(tmp_path: Path, found: object) -> None:
    cache.keep(tmp_path, "one", memory._QUESTION, found)
    assert memory.recall(tmp_path, "one") == {}
