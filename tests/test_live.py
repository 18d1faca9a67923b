"""reports.live: pyinfra's zero is not enough."""

from pathlib import Path

import pytest

from reports.live import live
from tests.test_sandbox import Clone


def test_tells_pending_from_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = Clone(tmp_path / "clone")
    monkeypatch.chdir(clone.directory)
    try:
        monkeypatch.setenv("PYINFRA_YES", "1")
        for arguments in ([], ["-y"]):
            assert live(arguments) == (False, "not live: changes are pending on @local")
        assert clone.pyinfra("-y").status == 0
        assert live([]) == (True, "the wanted state is live")
        assert live(["--limit", "nobody"]) == (False, "not live: no host was selected")
        broken, reason = live(["--data", "instance=nope"])
        assert not broken
        assert "dev, prod" in reason
    finally:
        clone.pyinfra("-y", script="tasks/sandbox_reset.py")
