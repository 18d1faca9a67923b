"""The built system's own check that its secrets open, with real age."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.nix.evaluation import Lab, Library, needs
from tests.nix.rendered import run, script


@pytest.fixture
def encrypted(lab: Lab, tmp_path: Path) -> Path:
    """Encrypts the secrets of both instances with age to an SSH host key, which it gives."""
    needs("age", "ssh-keygen")
    key = tmp_path / "ssh_host_ed25519_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    for path in (lab.tree / "secrets").glob("*.age"):
        subprocess.run(["age", "-a", "-R", f"{key}.pub", "-o", path], input=f"plaintext-of-{path.stem}\n", text=True, check=True)
    return key


def test_check_secrets(lab: Lab, library: Library, encrypted: Path) -> None:
    """Names each secret that does not open, and shows no plaintext."""
    check = lab.evaluate(library, identity=encrypted)["system"]["etc"]["supabase/check-secrets"]
    assert os.access(check, os.X_OK)
    ran = run(script(check))
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")

    lab.secret("supabase-dev-anon", "not an age file")
    whole = (lab.tree / "secrets/supabase-prod-jwt.age").read_text()
    lab.secret("supabase-prod-jwt", whole[: len(whole) // 2])
    ran = run(script(lab.evaluate(library, identity=encrypted)["system"]["etc"]["supabase/check-secrets"]))
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.splitlines() == [
        f"supabase-dev-anon: does not open with {encrypted}",
        f"supabase-prod-jwt: does not open with {encrypted}",
    ]
    missing = run(script(lab.evaluate(library, identity=encrypted.with_name("none"))["system"]["etc"]["supabase/check-secrets"]))
    assert missing.returncode == 1
    assert len(missing.stderr.splitlines()) == 10
    stored = b"".join(p.read_bytes() for p in lab.store.rglob("*") if p.is_file())
    assert b"supabase-prod-jwt.age" in stored, "the search finds what is there"
    assert b"plaintext-of-" not in stored
