"""The rules as the agenix CLI evaluates them: its own expressions, taken from its own script."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.require import programs
from tests.secret_project import SecretProject, secret_project
from workstation import rules

SCRIPT = Path("~/.nix-defexpr/channels/agenix/pkgs/agenix.sh").expanduser()
RECIPIENTS = {"supabase-prod-jwt": ("ssh-ed25519 AAAA", 'ssh-rsa "${x}"'), "supabase-prod-db": ("ssh-ed25519 AAAA",)}


def agenix(directory: Path, function: str, file: str = "") -> object:
    """What one of agenix.sh's expressions gives when its CLI runs in the secrets directory."""
    if not SCRIPT.exists():
        pytest.skip("no agenix channel on this machine")
    programs("nix-instantiate")
    body = SCRIPT.read_text().split(f"function {function} ", 1)[1]
    found = re.search(r'@nixInstantiate@ ([^"]*)-E "(.*?)"(?:\)|  ?\|)', body)
    assert found
    expression = found[2].replace('\\"', '"').replace("$RULES", "./secrets.nix").replace("$1", file)
    command = ["nix-instantiate", *found[1].split(), "-E", expression]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_agenix_reads_our_rules(tmp_path: Path) -> None:
    rules.write(tmp_path, RECIPIENTS, [])
    for secret, recipients in RECIPIENTS.items():
        assert agenix(tmp_path, "keys", f"{secret}.age") == list(recipients)
        assert agenix(tmp_path, "armor", f"{secret}.age") is True
    assert agenix(tmp_path, "rekey") == sorted(f"{secret}.age" for secret in RECIPIENTS)


def test_agenix_reads_the_users_rules_and_ours(tmp_path: Path) -> None:
    (tmp_path / "secrets.nix").write_text('let me = "ssh-ed25519 CCCC"; in { "mine.age".publicKeys = [ me ]; }\n')
    rules.write(tmp_path, RECIPIENTS, [])
    hint = rules.plan(tmp_path, "secrets", RECIPIENTS).hint
    assert hint is not None
    assert hint.startswith("secrets/secrets.nix: ")
    line = hint.split("`")[1]
    with open(tmp_path / "secrets.nix", "a") as file:
        file.write(line + "\n")
    assert rules.plan(tmp_path, "secrets", RECIPIENTS).hint is None
    assert agenix(tmp_path, "keys", "mine.age") == ["ssh-ed25519 CCCC"]
    assert agenix(tmp_path, "armor", "mine.age") is False
    assert agenix(tmp_path, "keys", "supabase-prod-db.age") == ["ssh-ed25519 AAAA"]
    assert agenix(tmp_path, "rekey") == ["mine.age", "supabase-prod-db.age", "supabase-prod-jwt.age"]


def test_the_rules_of_a_real_directory(tmp_path: Path) -> None:
    project: SecretProject = secret_project(tmp_path)
    project.deploy()
    keys = sorted([project.operator.public, project.server.public])
    for path in project.directory.glob("*.age"):
        assert agenix(project.directory, "keys", path.name) == keys
        recipients = [option for key in keys for option in ("--recipient", key)]
        command = ["age", "--armor", *recipients]
        assert subprocess.run(command, input=b"x", capture_output=True, check=True).stdout.startswith(b"-----BEGIN AGE")


def test_the_plan_is_what_is_written(tmp_path: Path) -> None:
    assert [str(change) for change in rules.plan(tmp_path, "secrets", RECIPIENTS).changes] == [
        "create secrets/supabase.nix (agenix rules)",
        "create secrets/secrets.nix (agenix rules)",
    ]
    rules.write(tmp_path, RECIPIENTS, [])
    assert rules.plan(tmp_path, "secrets", RECIPIENTS) == rules.RulesPlan((), None)
    fewer = {**RECIPIENTS, "supabase-prod-db": ("ssh-ed25519 DDDD",)}
    assert [str(change) for change in rules.plan(tmp_path, "secrets", fewer).changes] == [
        "update secrets/supabase.nix (agenix rules)"
    ]


def test_the_users_file_is_never_touched_and_unreadable_sidecars_keep_their_rule(tmp_path: Path) -> None:
    rules.write(tmp_path, RECIPIENTS, [])
    (tmp_path / "secrets.nix").write_text("{ }\n")
    (tmp_path / "supabase.nix").chmod(0o644)
    before = (tmp_path / "supabase.nix").read_bytes()
    rules.write(tmp_path, {"supabase-prod-db": RECIPIENTS["supabase-prod-db"]}, ["supabase-prod-jwt", "something-else"])
    assert (tmp_path / "supabase.nix").read_bytes() == before
    rules.write(tmp_path, {"supabase-prod-db": RECIPIENTS["supabase-prod-db"]}, [])
    assert (tmp_path / "supabase.nix").read_bytes() != before
    assert (tmp_path / "secrets.nix").read_text() == "{ }\n"
