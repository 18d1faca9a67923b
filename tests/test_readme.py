"""The README's first command, word for word, in a clean clone, as a user who has nothing but Python."""

import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project import ROOT, clean
from tests.require import give_up

README = (ROOT / "README.md").read_text(encoding="utf-8")


def command(name: str) -> str:
    """The command between `<!-- NAME -->` and `<!-- end -->`."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- end -->", README, re.DOTALL)
    assert found, f"the README marks no command {name}"
    return " ".join(line.strip() for line in found[1].splitlines())


def python3() -> str:
    """A system Python that every user can run. Debian's has no venv without its package."""
    for name in ("/usr/bin/python3", "/usr/local/bin/python3"):
        check = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))"
        if Path(name).exists() and subprocess.run([name, "-c", check], capture_output=True).returncode == 0:
            return name
    return give_up("no system-wide python3 >= 3.11 with venv (python3-venv)")


@pytest.fixture
def place() -> Iterator[Path]:
    """Outside pytest's own directory, which other users cannot enter."""
    directory = Path(tempfile.mkdtemp(prefix="supabase-clone-", dir="/var/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.mark.parametrize("user", ["nobody", "root"])
def test_sandbox_command(place: Path, user: str) -> None:
    if os.getuid() != 0:
        give_up("only root can run it as somebody else")
    interpreter = python3()
    clone = place / "clone"
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0"):
        if name and (ROOT / name).is_file() and not name.startswith("tests/"):
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, clone / name)
    ids = pwd.getpwnam(user)
    home = place / "home"
    home.mkdir()
    for path in (place, *place.rglob("*")):
        os.chown(path, ids.pw_uid, ids.pw_gid)
    kept = {key: value for key, value in os.environ.items() if key.startswith(("PIP_", "SSL_")) or key.endswith("_PROXY")}
    programs = f"{Path(interpreter).parent}:/usr/bin:/bin"
    environment = {**kept, "HOME": str(home), "USER": user, "PATH": programs, "LC_ALL": "C.UTF-8"}

    def run(text: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["/bin/sh", "-c", text],
            cwd=clone,
            env=environment,
            user=ids.pw_uid,
            group=ids.pw_gid,
            extra_groups=[],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    try:
        first = run(command("sandbox"))
        output = clean(first.stdout)
        assert first.returncode == 0, output[-4000:]
        assert "prod: create database supabase_prod" in output
        assert "log in" in output
        second = run(command("sandbox").rsplit("&&", 1)[1])
        assert "nothing changed" in clean(second.stdout), second.stdout
        assert "] Success" not in clean(second.stdout)
        status = run(".venv/bin/python -m reports.status")
        assert status.returncode == 0, status.stdout
        assert status.stdout.splitlines()[-1] == "healthy"
    finally:
        run(".venv/bin/pyinfra -y inventory.py tasks/sandbox_reset.py")


def test_test_command_runs_pytest() -> None:
    assert command("tests").endswith("-m pytest")
    assert sys.version_info >= (3, 11)
