"""The sandbox: a fresh clone runs the whole job on this machine."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.project import ROOT, Run, clean

PYINFRA = Path(sys.executable).with_name("pyinfra")
_CLONE = (
    *("deploy.py", "inventory.py", "group_data", "desired", "facts"),
    *("operations", "reports", "tasks", "templates", "workstation"),
)


class Clone:
    """A fresh clone in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir()
        for name in _CLONE:
            source = ROOT / name
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, directory / name, ignore=ignore) if source.is_dir() else shutil.copy(source, directory)

    def pyinfra(self, *arguments: str, script: str = "deploy.py") -> Run:
        done = self.run(str(PYINFRA), *arguments, "inventory.py", script)
        return Run(done.returncode, clean(done.stdout))

    def run(self, *command: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, "PYINFRA_PROGRESS": "off"}
        return subprocess.run(
            command, cwd=self.directory, env=environment, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def decrypted(self, secret: str) -> str:
        file = f".sandbox/secrets/{secret}.age"
        done = self.run(sys.executable, "-m", "reports.decrypt", "-i", ".sandbox/identity", file)
        assert done.returncode == 0, done.stdout
        return done.stdout.strip()

    def files(self) -> dict[str, bytes]:
        """Everything but the server's own directory and caches."""
        paths = (path for path in self.directory.rglob("*") if path.is_file() and "postgresql/" not in str(path))
        kept = (path for path in paths if path.suffix not in (".lock", ".pyc"))
        return {str(path.relative_to(self.directory)): path.read_bytes() for path in kept}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    clone = Clone(tmp_path_factory.mktemp("sandbox") / "clone")
    yield clone
    clone.pyinfra("-y", script="tasks/sandbox_reset.py")


@dataclass(frozen=True)
class Runs:
    """A dry run, the first and the second run, and the clone's files before and between."""

    dry: Run
    before: dict[str, bytes]
    first: Run
    between: dict[str, bytes]
    second: Run


@pytest.fixture(scope="module")
def runs(clone: Clone) -> Runs:
    before = clone.files()
    dry = clone.pyinfra("--dry", "--diff")
    assert clone.files() == before, "a dry run writes nothing"
    first = clone.pyinfra("-y")
    return Runs(dry, before, first, clone.files(), clone.pyinfra("-y"))


class TestFirstRun:
    """In this order: the later tests stop and start the server."""

    def test_the_dry_run_announces_what_the_run_does(self, runs: Runs) -> None:
        assert runs.first.status == 0, runs.first.output
        assert set(runs.dry.changes) == set(runs.first.changes)
        assert "prod: create database supabase_prod" in runs.first.changes

    def test_the_second_run_changes_nothing(
        self, clone: Clone, runs: Runs
    ) -> None:
        assert runs.second.unchanged, runs.second.output
        assert "nothing changed" in runs.second.output
        assert clone.files() == runs.between

    def test_says_what_exists_and_what_was_not_exercised(
        self, runs: Runs
    ) -> None:
        output = runs.first.output
        for told in ("secrets", "decrypt", "Nix files", "log in", "stop", "forget"):
            assert told in output
        (line,) = [line for line in output.splitlines() if "not exercised here: " in line]
        for told in ("NixOS rebuild", "way back", "edge", "gateway", "REST API", "auth", "storage", "realtime", "meta", "Studio"):
            assert told in line

    def test_the_printed_login_works_with_the_decrypted_password(
        self, clone: Clone, runs: Runs
    ) -> None:
        url = clone.decrypted("supabase-prod-db")
        line = next(line for line in runs.first.output.splitlines() if "psql -h localhost" in line)
        psql = line.split("log in", 1)[1].split("(")[0].split()[0]
        user, password = url.removeprefix("postgresql://").split("@")[0].split(":")
        host, database = url.split("@")[1].split("/")
        own = {"user": user, "password": password, "host": host.split(":")[0], "port": host.split(":")[1], "dbname": database}
        service = clone.directory / ".service"
        service.write_text("[own]\n" + "".join(f"{key}={value}\n" for key, value in own.items()))
        done = subprocess.run(
            [psql, "-X", "-A", "-t", "-c", "SELECT current_user || ' in ' || current_database()", "service=own"],
            cwd=clone.directory,
            env={**os.environ, "PGSERVICEFILE": str(service)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        service.unlink()
        assert done.stdout.strip() == "supabase_prod in supabase_prod"

    def test_every_secret_and_instance_file_is_there(
        self, clone: Clone, runs: Runs
    ) -> None:
        secrets = clone.directory / ".sandbox/secrets"
        tree = clone.directory / ".sandbox/etc/nixos/supabase"
        for instance in ("prod", "dev"):
            written = json.loads((tree / f"instances/{instance}.json").read_text())
            for secret in written["secrets"]:
                assert (secrets / f"{secret}.age").read_bytes() == (tree / f"secrets/{secret}.age").read_bytes()
        assert json.loads((clone.directory / ".sandbox/slots.json").read_text()) == {"@local": {"dev": 0, "prod": 1}}

    def test_only_the_sandbox_directory_is_new(
        self, clone: Clone, runs: Runs
    ) -> None:
        new = set(runs.between) - set(runs.before)
        assert {name.split("/")[0] for name in new} == {".sandbox"}

    def test_stopped_and_started_again_it_has_the_same_data(
        self, clone: Clone, runs: Runs
    ) -> None:
        assert clone.pyinfra("-y", script="tasks/sandbox_stop.py").changes == ["host: stop PostgreSQL server"]
        again = clone.pyinfra("-y")
        assert again.status == 0, again.output
        assert "host: start PostgreSQL server" in again.changes
        assert not any("create role" in change for change in again.changes)
        assert clone.pyinfra("-y").unchanged

    def test_one_instance_only(self, clone: Clone, runs: Runs) -> None:
        targeted = clone.pyinfra("-y", "--data", "instance=prod")
        assert targeted.unchanged
        wrong = clone.pyinfra("-y", "--data", "instance=prud")
        assert wrong.status != 0
        assert "dev, prod" in wrong.output


def test_reset_leaves_nothing(tmp_path: Path) -> None:
    clone = Clone(tmp_path / "clone")
    before = clone.files()
    assert clone.pyinfra("-y").status == 0
    removed = clone.pyinfra("-y", script="tasks/sandbox_reset.py")
    assert removed.status == 0, removed.output
    assert clone.files() == before
    places = [change.removeprefix("host: remove ") for change in removed.changes]
    assert places
    assert not any(Path(place).exists() for place in places)
    assert clone.pyinfra("-y", script="tasks/sandbox_reset.py").unchanged
