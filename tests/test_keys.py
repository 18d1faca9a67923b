"""`just supabase-keys`: what it prints is what an application needs, and every refusal says the next step."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from supabase import create_client

from tests.api import Api
from tests.host import Machine
from tests.keys import KeyPair, keypair
from tests.lab import Lab, bare
from tests.reporting import Said, report
from tests.test_converge import NOTES

NAMES = ("SUPABASE_URL", "SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY")


@pytest.fixture(scope="module")
def lab(shared_machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    lab = bare(shared_machine, tmp_path_factory.mktemp("keys"))
    done = lab.project.converge()
    assert done.status == 0, done.output
    return lab


@pytest.fixture
def identity(lab: Lab) -> Iterator[Lab]:
    """A project whose identity the test may change."""
    yield lab
    lab.project.data["identity"] = str(lab.project.operator.private)
    lab.project.write()


def read_by_a_shell(text: str, directory: Path) -> dict[str, str]:
    """The variables as a shell, and so any reader of .env files, has them."""
    (directory / ".env").write_text(text)
    show = f"set -a; . ./.env; exec env -u PATH {sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    done = subprocess.run(["sh", "-c", show], cwd=directory, capture_output=True, text=True, check=True, env={"PATH": os.defpath})
    return {name: value for name, value in json.loads(done.stdout).items() if name in NAMES}


def test_an_application_gets_what_it_needs(lab: Lab, tmp_path: Path) -> None:
    said = report(lab.project, "keys", "prod")
    assert (said.status, said.stderr) == (0, "")
    public = read_by_a_shell(said.stdout, tmp_path)
    assert list(public) == ["SUPABASE_URL", "SUPABASE_ANON_KEY"]
    assert public["SUPABASE_URL"] == "https://supabase.example.org"
    said = report(lab.project, "keys", "prod", "--service")
    assert [line.partition("=")[0] for line in said.stdout.splitlines()] == [*NAMES]
    all_of_it = read_by_a_shell(said.stdout, tmp_path)
    assert all_of_it.items() >= public.items()
    api = Api(lab.project, lab.machine, "prod")
    api.psql(NOTES.format("prod"))
    lab.serves()
    with api.forward() as port:
        # The edge, which the address leads to, is another test's matter.
        url = f"http://127.0.0.1:{port}"
        rows = {}
        for name in NAMES[1:]:
            answer = create_client(url, all_of_it[name]).table("notes").select("body").execute()
            rows[name] = sorted(str(row["body"]) for row in answer.data if isinstance(row, dict))
    assert rows == {"SUPABASE_ANON_KEY": ["prod shared"], "SUPABASE_SERVICE_ROLE_KEY": ["prod private", "prod shared"]}


def test_the_recipes(lab: Lab) -> None:
    """As they stand in the justfile, on this project's own directory."""
    for recipe, first in ((["supabase-keys", "dev"], "SUPABASE_URL="), (["supabase-status", "dev"], lab.machine.ip)):
        justfile = Path(__file__).parent.parent / "justfile"
        just = [str(Path(sys.executable).with_name("just")), "--justfile", str(justfile), "--working-directory", "."]
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        done = subprocess.run(
            [*just, "--set", "python", sys.executable, *recipe],
            cwd=lab.project.directory,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(first)


def refused(lab: Lab, *arguments: str) -> str:
    """A refusal: nothing on standard output, one message."""
    said: Said = report(lab.project, "keys", *arguments)
    assert (said.status, said.stdout) == (1, "")
    assert "Traceback" not in said.stderr
    return said.stderr


@pytest.mark.parametrize("name", ["prd", "", "true", "prod,dev"])
def test_an_unknown_instance(lab: Lab, name: str) -> None:
    assert "known: dev, prod" in refused(lab, name)


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ({}, "set `identity` in group_data to the private key of one of its recipients"),
        ({"kind": "ecdsa"}, "no SSH private key that age can use"),
        (None, "cannot be read: No such file"),
    ],
    ids=["of somebody else", "of a kind that age has not", "missing"],
)
def test_a_wrong_identity(identity: Lab, tmp_path: Path, key: dict[str, str] | None, says: str) -> None:
    private = tmp_path / "nobody" if key is None else keypair(tmp_path, "stranger", **key).private
    identity.project.data["identity"] = str(private)
    identity.project.write()
    told = refused(identity, "prod")
    assert str(private) in told
    assert says in told


def test_a_passphrase_without_a_terminal(identity: Lab, tmp_path: Path) -> None:
    """With one, age asks for it: test_age."""
    locked: KeyPair = keypair(tmp_path, "locked", passphrase="open sesame")
    identity.project.data["operators"].append(locked.public)
    identity.project.write()
    assert identity.project.converge().status == 0
    identity.project.data["identity"] = str(locked.private)
    identity.project.write()
    command = [sys.executable, "-m", "reports.keys", "prod"]
    done = subprocess.run(
        command, cwd=identity.project.directory, stdin=subprocess.DEVNULL, capture_output=True, text=True, start_new_session=True
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "a run without a terminal needs a key without a passphrase" in done.stderr


@pytest.mark.parametrize(
    ("gone", "says"),
    [
        (("anon.age", "anon.json"), "is missing: `just deploy` makes it; if it was there once, restore it from git"),
        (("anon.age",), "restore the file from git"),
        (("anon.json",), "has no sidecar"),
    ],
)
def test_missing_files(lab: Lab, gone: tuple[str, ...], says: str) -> None:
    files = [lab.project.directory / f"secrets/supabase-prod-{name}" for name in gone]
    kept = [file.read_bytes() for file in files]
    for file in files:
        file.unlink()
    try:
        assert says in refused(lab, "prod")
        assert report(lab.project, "keys", "dev").status == 0
    finally:
        for file, content in zip(files, kept, strict=True):
            file.write_bytes(content)


def test_another_key_under_its_name(lab: Lab) -> None:
    """The service key in the anon key's file would end up in a browser."""
    place = lab.project.directory / "secrets"
    kept = (place / "supabase-prod-anon.age").read_bytes()
    (place / "supabase-prod-anon.age").write_bytes((place / "supabase-prod-service.age").read_bytes())
    try:
        assert "is a copy of supabase-prod-service.age" in refused(lab, "prod")
    finally:
        (place / "supabase-prod-anon.age").write_bytes(kept)


def test_no_project(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "reports.keys", "prod"]
    root = str(Path(__file__).parent.parent)
    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": root}, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "inventory.py" in done.stderr
    assert "run this in the project's directory" in done.stderr
