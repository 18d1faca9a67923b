"""The root scripts that compose runtime material, run."""

import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest

from tests.nix.evaluation import Lab, available, instance
from tests.nix.rendered import run, script, starts

Compose = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def composed(lab: Lab, tmp_path: Path) -> Compose:
    """Runs a unit's composer with /run moved below the test's directory and its user exchanged for this one."""
    prod = instance(
        "prod",
        0,
        "app",
        auth=instance("prod", 0)["auth"] | {"databaseSocket": False},
        smtp={"host": "mail.example.org", "user": "me", "sender": "me@example.org"},
        secretEnvironment={"auth": "supabase-prod-env"},
    )
    more = ("jwt-next", "jwt-previous", "anon-previous", "authdb", "env", "smtp")
    prod["secrets"] += [f"supabase-prod-{kind}" for kind in more]
    lab.put("prod", prod)
    agenix = tmp_path / "run/agenix"
    agenix.mkdir(parents=True)
    for secret in prod["secrets"]:
        (agenix / secret).write_text(f"value.of-{secret}-long_enough_for_hs256\n")
    (agenix / "supabase-prod-smtp").write_text('a $b "c" \\d #e\n')
    (agenix / "supabase-prod-env").write_text("# mine\nGOTRUE_EXTERNAL_GITHUB_SECRET=a\nGOTRUE_SMTP_PASS=b\n")
    units = lab.evaluate(available())["system"]["units"]

    def compose(service: str) -> "subprocess.CompletedProcess[str]":
        user = "supabase-prod" if service == "gateway" else f"supabase-prod-{service}"
        text = Path(starts(units[f"{user}.service"])[0]).read_text()
        text = (
            text.replace(f"{user}:{user}", f"{os.getuid()}:{os.getgid()}")
            .replace(" /run/", f" {tmp_path}/run/")
            .replace("'/run/", f"'{tmp_path}/run/")
        )
        (tmp_path / f"run/supabase/prod/{service}").mkdir(parents=True, exist_ok=True)
        (tmp_path / "compose").write_text(text)
        return run(script(str(tmp_path / "compose")))

    return compose


def test_key_set(composed: Compose, tmp_path: Path) -> None:
    """The key set holds current, next and previous secret, and verifies tokens of each."""
    ran = composed("rest")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    path = tmp_path / "run/supabase/prod/rest/jwks.json"
    assert path.stat().st_mode & 0o777 == 0o400
    keys = json.loads(path.read_text())["keys"]
    secrets = [f"value.of-supabase-prod-jwt{suffix}-long_enough_for_hs256" for suffix in ("", "-next", "-previous")]
    for key, secret in zip(keys, secrets, strict=True):
        kid = hashlib.sha256(b"supabase-kid:" + secret.encode()).hexdigest()[:16]
        assert (key["kid"], key["alg"], key["kty"], key["use"], key["key_ops"]) == (kid, "HS256", "oct", "sig", ["verify"])
        assert "=" not in key["k"]
        token = jwt.encode({"role": "anon"}, secret, "HS256", {"kid": kid})
        assert jwt.decode(token, jwt.PyJWK(key).key, ["HS256"]) == {"role": "anon"}
    assert [p.name for p in path.parent.parent.iterdir()] == ["rest"], "nothing temporary is left"


def test_environment_of_auth(composed: Compose, tmp_path: Path) -> None:
    """Its keys, of which the current one signs; passwords to the letter; the administrator's lines last, so that they win."""
    ran = composed("auth")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    path = tmp_path / "run/supabase/prod/auth/10-supabase.env"
    assert path.stat().st_mode & 0o777 == 0o400
    lines = path.read_text().splitlines()
    assert lines[-3:] == ["# mine", "GOTRUE_EXTERNAL_GITHUB_SECRET=a", "GOTRUE_SMTP_PASS=b"]
    quoted = dict(line.split("=", 1) for line in lines[:-3])
    assert all(value[0] == value[-1] == "'" and "'" not in value[1:-1] for value in quoted.values())
    found = {key: value[1:-1] for key, value in quoted.items()}
    assert found.keys() == {"GOTRUE_DB_DATABASE_URL", "GOTRUE_JWT_KEYS", "GOTRUE_JWT_SECRET", "GOTRUE_SMTP_PASS"}
    assert found["GOTRUE_JWT_SECRET"] == "value.of-supabase-prod-jwt-long_enough_for_hs256"
    assert found["GOTRUE_SMTP_PASS"] == 'a $b "c" \\d #e'
    assert found["GOTRUE_DB_DATABASE_URL"] == "value.of-supabase-prod-authdb-long_enough_for_hs256"
    keys = json.loads(found["GOTRUE_JWT_KEYS"])
    assert [key["key_ops"] for key in keys] == [["sign", "verify"], ["verify"], ["verify"]]
    assert composed("rest").returncode == 0
    rest = json.loads((tmp_path / "run/supabase/prod/rest/jwks.json").read_text())["keys"]
    assert [key | {"key_ops": ["verify"]} for key in keys] == rest


@pytest.mark.parametrize("password", ["it's", "ends\\"])
def test_a_password_auth_could_not_read(composed: Compose, tmp_path: Path, password: str) -> None:
    """Is refused, and not shown."""
    (tmp_path / "run/agenix/supabase-prod-smtp").write_text(password)
    ran = composed("auth")
    assert ran.returncode == 1
    assert "supabase-prod-smtp: holds a single quote or ends in a backslash" in ran.stderr
    assert password not in ran.stderr


def test_key_list(composed: Compose, tmp_path: Path) -> None:
    """The gateway's list names the role of each key."""
    assert composed("gateway").returncode == 0
    path = tmp_path / "run/supabase/prod/gateway/keys.conf"
    assert path.stat().st_mode & 0o777 == 0o400
    assert path.read_text().splitlines() == [
        '"~^value[.]of-supabase-prod-anon-long_enough_for_hs256$" anon;',
        '"~^value[.]of-supabase-prod-anon-previous-long_enough_for_hs256$" anon;',
        '"~^value[.]of-supabase-prod-service-long_enough_for_hs256$" service_role;',
    ]


@pytest.mark.parametrize(
    ("secret", "content", "message"),
    [
        ("supabase-prod-anon", None, "is missing"),
        ("supabase-prod-anon", "", "is empty"),
        ("supabase-prod-anon", "\n", "is empty"),
        ("supabase-prod-anon", 'key" anon; default "service_role', "is not an API key"),
    ],
)
def test_composing_refuses(composed: Compose, tmp_path: Path, secret: str, content: str | None, message: str) -> None:
    """A bad secret leaves what is in force, names its file and shows none of its content."""
    assert composed("gateway").returncode == 0
    path = tmp_path / "run/supabase/prod/gateway/keys.conf"
    before = path.read_text()
    (tmp_path / "run/agenix" / secret).unlink()
    if content is not None:
        (tmp_path / "run/agenix" / secret).write_text(content)
    ran = composed("gateway")
    assert ran.returncode == 1
    assert f"run/agenix/{secret}: {message}" in ran.stderr
    assert path.read_text() == before
    assert [p.name for p in path.parent.parent.iterdir()] == ["gateway"]
    assert not content or not content.strip() or content not in ran.stderr


def test_a_link_in_the_services_directory_is_not_followed(composed: Compose, tmp_path: Path) -> None:
    """A service cannot make root write elsewhere."""
    target = tmp_path / "target"
    target.write_text("kept")
    directory = tmp_path / "run/supabase/prod/rest"
    directory.mkdir(parents=True)
    (directory / "jwks.json").symlink_to(target)
    assert composed("rest").returncode == 0
    assert target.read_text() == "kept"
    assert not (directory / "jwks.json").is_symlink()
