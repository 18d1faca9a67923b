"""What was found out is kept for the next run of the same project, until the question or the code is another."""

import json
import os
from pathlib import Path

import pytest

from workstation import cache

FOUND: dict[str, object] = {"supabase_prod": ["1f", None]}


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    return tmp_path / "caches"


def test_kept_about_one_thing_of_one_project(caches: Path, tmp_path: Path) -> None:
    assert cache.recall(tmp_path, "one", "question") is None
    cache.keep(tmp_path, "one", "question", FOUND)
    assert cache.recall(tmp_path, "one", "question") == FOUND
    for project, about, question in ((tmp_path, "two", "question"), (tmp_path / "x", "one", "question"), (tmp_path, "one", "?")):
        assert cache.recall(project, about, question) is None
    cache.keep(tmp_path, "one", "question", [])
    assert cache.recall(tmp_path, "one", "question") == []
    assert [path.stat().st_mode & 0o777 for path in caches.rglob("*")] == [0o700, 0o600]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"question": "question", "answer": {}}', "null", "\udcff"])
def test_another_file_is_none(caches: Path, tmp_path: Path, text: str) -> None:
    cache.keep(tmp_path, "one", "question", FOUND)
    (file,) = caches.rglob("*.json")
    file.write_text(text, errors="surrogateescape")
    assert cache.recall(tmp_path, "one", "question") is None


def test_what_somebody_else_could_have_written(caches: Path, tmp_path: Path) -> None:
    """He would say what a run wants."""
    cache.keep(tmp_path, "one", "question", FOUND)
    (file,) = caches.rglob("*.json")
    for mode in (0o620, 0o602):
        file.chmod(mode)
        assert cache.recall(tmp_path, "one", "question") is None
    file.chmod(0o644)
    assert cache.recall(tmp_path, "one", "question") == FOUND
    other = file.rename(tmp_path / "other")
    file.symlink_to(other)
    assert cache.recall(tmp_path, "one", "question") is None
    cache.keep(tmp_path, "one", "question", [])
    assert not file.is_symlink()
    assert cache.recall(tmp_path, "one", "question") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_of_somebody_else(caches: Path, tmp_path: Path) -> None:
    cache.keep(tmp_path, "one", "question", FOUND)
    (file,) = caches.rglob("*.json")
    os.chown(file, 65534, 65534)
    assert cache.recall(tmp_path, "one", "question") is None


def test_of_other_code(caches: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later version of this project may find something else."""
    source = tmp_path / "desired"
    source.mkdir()
    (source / "model.py").write_text("one = 1\n")
    monkeypatch.setattr(cache, "_ROOT", tmp_path)
    cache._code.cache_clear()
    try:
        cache.keep(tmp_path, "one", "question", FOUND)
        for code in ("one = 2\n# longer\n", "one = 3\n# longer\n"):
            assert cache.recall(tmp_path, "one", "question") == FOUND
            (source / "model.py").write_text(code)
            cache._code.cache_clear()
            assert cache.recall(tmp_path, "one", "question") is None
            cache.keep(tmp_path, "one", "question", FOUND)
        (file,) = caches.rglob("*.json")
        assert json.loads(file.read_text())["answer"] == FOUND
    finally:
        cache._code.cache_clear()


def test_nowhere_to_keep_it(caches: Path, tmp_path: Path) -> None:
    caches.write_text("no directory")
    cache.keep(tmp_path, "one", "question", FOUND)
    assert cache.recall(tmp_path, "one", "question") is None
