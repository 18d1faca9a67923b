"""What was seen inside databases is kept for the next run of the same project on the same host; test_inside.py shows that it is
not used for what has changed."""

import json
from pathlib import Path

import pytest

from desired.cluster_state import Seen
from desired.inside_state import observed_inside
from workstation import memory

TOLD = {
    "inside": "supabase_prod",
    "schemas": {"public": "supabase_prod"},
    "grants": [["public", "USAGE", "anon"]],
    "defaults": [["supabase_prod", "public", "r", "anon", ["SELECT"]]],
    "extensions": ["plpgsql"],
    "publication": None,
    "watches": [],
    "planted": [],
}
SEEN = {"supabase_prod": Seen("1f", observed_inside(TOLD), TOLD)}


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    return tmp_path / "caches"


def test_kept_for_one_host_of_one_project(caches: Path, tmp_path: Path) -> None:
    assert memory.recall(tmp_path, "one") == {}
    memory.keep(tmp_path, "one", SEEN)
    assert memory.recall(tmp_path, "one") == SEEN
    assert memory.recall(tmp_path, "two") == memory.recall(tmp_path / "other", "one") == {}
    memory.keep(tmp_path, "one", {})
    assert memory.recall(tmp_path, "one") == {}
    assert [path.stat().st_mode & 0o777 for path in caches.rglob("*")] == [0o700, 0o600]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"question": "another", "databases": {}}', "null"])
def test_another_file_is_none(caches: Path, tmp_path: Path, text: str) -> None:
    memory.keep(tmp_path, "one", SEEN)
    (file,) = caches.rglob("*.json")
    file.write_text(text)
    assert memory.recall(tmp_path, "one") == {}


def test_of_another_question(caches: Path, tmp_path: Path) -> None:
    """A later version of this project may ask for more."""
    memory.keep(tmp_path, "one", SEEN)
    (file,) = caches.rglob("*.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), "question": "another"}))
    assert memory.recall(tmp_path, "one") == {}
    wrong: list[object] = [{"x": [1]}, [], {"x": ["1f", {}]}]
    for databases in wrong:
        file.write_text(json.dumps({"question": memory._QUESTION, "databases": databases}))
        assert memory.recall(tmp_path, "one") == {}


def test_nowhere_to_keep_it(caches: Path, tmp_path: Path) -> None:
    caches.write_text("no directory")
    memory.keep(tmp_path, "one", SEEN)
    assert memory.recall(tmp_path, "one") == {}
