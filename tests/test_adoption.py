"""Files edited and rekeyed by a person: with age, and with the agenix CLI's own script."""

import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from desired import rotation, scram, tokens
from desired.renewal import Renewal
from desired.sidecar import parse
from tests import require
from tests.keys import keypair
from tests.secret_project import SecretProject, secret_project
from workstation import age, lock

AGENIX = Path("~/.nix-defexpr/channels/agenix/pkgs/agenix.sh").expanduser()
PROGRAMS = {"nixInstantiate": "nix-instantiate", "jqBin": "jq", "ageBin": "age", "mktempBin": "mktemp", "diffBin": "diff"}


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> SecretProject:
    project = secret_project(tmp_path_factory.mktemp("deployed"), "dev", "prod")
    project.deploy()
    return project


@pytest.fixture
def project(deployed: SecretProject, tmp_path: Path) -> SecretProject:
    shutil.copytree(deployed.path, tmp_path / "project", ignore=shutil.ignore_patterns(lock.FILE))
    return replace(deployed, path=tmp_path / "project")


def put(project: SecretProject, secret: str, value: str, *keys: str, armor: bool = True) -> None:
    """A person's own encryption of a value."""
    recipients = [option for key in keys or project.host.recipients for option in ("-r", key)]
    command = ["age", *(["-a"] if armor else []), *recipients, "-o", str(project.directory / f"{secret}.age")]
    subprocess.run(command, input=value.encode(), check=True)


def agenix(project: SecretProject, *arguments: str, stdin: bytes = b"") -> bytes:
    """The agenix CLI, run in the secrets directory."""
    require.programs(*PROGRAMS.values())
    if not AGENIX.exists():
        pytest.skip(f"no agenix channel: {AGENIX}")
    text = AGENIX.read_text()
    for name, program in PROGRAMS.items():
        text = text.replace(f"@{name}@", program)
    command = ["bash", "-c", text, "agenix", *arguments, "-i", str(project.operator.private)]
    done = subprocess.run(command, cwd=project.directory, input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_nothing_to_adopt(project: SecretProject) -> None:
    before = project.files()
    project.operator.private.chmod(0)
    assert project.adopt("prod") == []
    project.operator.private.chmod(0o600)
    assert project.files() == before


def test_agenix_decrypts(project: SecretProject) -> None:
    value = project.values()["supabase-prod-jwt"]
    assert agenix(project, "-d", "supabase-prod-jwt.age").decode() == value + "\n"


def test_a_signing_secret_edited_with_agenix_takes_its_keys_along(project: SecretProject) -> None:
    before, secret = project.values(), "my-own-signing-secret-" * 3
    agenix(project, "-e", "supabase-prod-jwt.age", stdin=secret.encode())
    project.stops(project.planned, "just supabase-adopt prod")
    written = (project.directory / "supabase-prod-jwt.age").read_bytes()
    assert project.adopt("prod") == [
        "update supabase-prod-jwt.json (adopted)",
        "update supabase-prod-anon.age (derived from supabase-prod-jwt)",
        "update supabase-prod-service.age (derived from supabase-prod-jwt)",
    ]
    assert (project.directory / "supabase-prod-jwt.age").read_bytes() == written
    now = project.values()
    assert now["supabase-prod-jwt"] == secret
    assert tokens.fault(now["supabase-prod-anon"], secret, "anon", datetime.now(UTC)) is None
    assert tokens.fault(now["supabase-prod-service"], secret, "service_role", datetime.now(UTC)) is None
    assert {name for name in now if now[name] != before[name]} == {f"supabase-prod-{kind}" for kind in ("jwt", "anon", "service")}
    ids = {item.secret: item.id for item in project.store.sidecars()}
    assert ids["supabase-prod-jwt"] == tokens.kid(secret)
    assert project.planned() == []
    assert project.adopt("prod") == []


def test_a_password_edited_by_hand_takes_its_verifier_along(project: SecretProject) -> None:
    put(project, "supabase-prod-db", "postgresql://supabase_prod:a-password-of-mine@localhost:5432/supabase_prod\n")
    assert project.adopt("prod") == [
        "update supabase-prod-db.json (adopted)",
        "update supabase-prod-dbverifier.age (derived from supabase-prod-db)",
    ]
    assert scram.matches(project.values()["supabase-prod-dbverifier"], "a-password-of-mine")
    assert project.planned() == []


def test_a_rekey_with_agenix_is_adopted_without_a_new_byte(project: SecretProject) -> None:
    values = project.values()
    agenix(project, "-r")
    rekeyed = {name: content for name, content in project.files().items() if name.endswith(".age")}
    project.stops(project.planned, "just supabase-adopt dev", "just supabase-adopt prod")
    for name in ("dev", "prod"):
        assert len(project.adopt(name)) == 5
    assert project.values() == values
    assert {name: project.files()[name] for name in rekeyed} == rekeyed
    assert project.planned() == []


def test_a_file_for_others_or_without_armor_is_re_encrypted(project: SecretProject, tmp_path: Path) -> None:
    values = project.values()
    put(project, "supabase-prod-jwt", values["supabase-prod-jwt"], project.operator.public)
    put(project, "supabase-prod-anon", values["supabase-prod-anon"], armor=False)
    put(project, "supabase-dev-db", values["supabase-dev-db"], *project.host.recipients, keypair(tmp_path, "leaver").public)
    assert project.adopt("prod") == [
        "re-encrypt supabase-prod-jwt.age (adopted; for the recipients of group_data)",
        "re-encrypt supabase-prod-anon.age (adopted; for the recipients of group_data)",
    ]
    assert project.adopt("dev")[0] == "re-encrypt supabase-dev-db.age (adopted; for the recipients of group_data)"
    assert project.values() == values
    assert project.planned() == []


def test_a_lost_or_edited_sidecar_is_written_anew(project: SecretProject) -> None:
    values = project.values()
    (project.directory / "supabase-prod-jwt.json").unlink()
    (project.directory / "supabase-prod-db.json").write_text("{}")
    assert project.adopt("prod") == [
        "update supabase-prod-db.json (adopted)",
        "update supabase-prod-jwt.json (adopted)",
        "update supabase-prod-dbverifier.json (adopted)",
    ]
    assert project.values() == values
    assert project.planned() == []


def test_a_whole_instance_from_elsewhere(project: SecretProject) -> None:
    values = project.values()
    for path in project.directory.glob("supabase-prod-*.json"):
        path.unlink()
    assert len(project.adopt("prod")) == 5
    assert project.values() == values
    assert project.planned() == []


SECRET = "x" * 64


@pytest.mark.parametrize(
    ("secret", "value", "words"),
    [
        ("supabase-prod-jwt", "short", ["supabase-prod-jwt.age is not usable: 32 or more", "update-secret prod jwt"]),
        ("supabase-prod-jwt", f"{SECRET}\n{SECRET}\n", ["supabase-prod-jwt.age is not usable: it is not one line", "agenix -e"]),
        ("supabase-prod-db", "postgresql://postgres:0123456789abcdef@localhost:5432/postgres", ["prod-db.age is not usable"]),
        ("supabase-prod-anon", tokens.mint(SECRET, "anon", datetime.now(UTC)), ["prod-anon.age is not usable: its kid"]),
        ("supabase-prod-dbverifier", scram.verifier("other", b"0" * 16), ["prod-dbverifier.age is not usable: it is not the"]),
    ],
)
def test_what_is_not_of_its_kind_is_refused(project: SecretProject, secret: str, value: str, words: list[str]) -> None:
    put(project, secret, value)
    told = project.stops(lambda: project.adopt("prod"), *words)
    assert value.strip() not in told


def test_a_key_of_the_other_role_is_refused(project: SecretProject) -> None:
    put(project, "supabase-prod-anon", project.values()["supabase-prod-service"])
    project.stops(lambda: project.adopt("prod"), "supabase-prod-anon.age is not usable: its role is not anon")


def test_another_instances_secret_is_refused(project: SecretProject) -> None:
    for name in ("jwt", "db", "anon"):
        shutil.copy(project.directory / f"supabase-prod-{name}.age", project.directory / f"supabase-dev-{name}.age")
        project.stops(lambda: project.adopt("dev"), "is a copy of supabase-prod-", "git")
    value = project.values()["supabase-prod-jwt"]
    put(project, "supabase-dev-jwt", value)
    for name in ("db", "anon"):
        put(project, f"supabase-dev-{name}", "x")
        (project.directory / f"supabase-dev-{name}.age").unlink()
        (project.directory / f"supabase-dev-{name}.json").unlink()
    (project.directory / "supabase-dev-dbverifier.age").unlink()
    (project.directory / "supabase-dev-dbverifier.json").unlink()
    project.stops(lambda: project.adopt("dev"), "supabase-dev-jwt.age holds the same value as supabase-prod-jwt.age")


def test_damage_and_wrong_identity(project: SecretProject, tmp_path: Path) -> None:
    path = project.directory / "supabase-prod-jwt.age"
    whole = path.read_bytes()
    path.write_bytes(whole[:200])
    project.stops(lambda: project.adopt("prod"), "supabase-prod-jwt.age is damaged: it is cut off", "git")
    put(project, "supabase-prod-jwt", SECRET, keypair(tmp_path, "stranger").public)
    project.stops(lambda: project.adopt("prod"), "supabase-prod-jwt.age does not open with the identity")


def test_missing_files(project: SecretProject) -> None:
    (project.directory / "supabase-prod-jwt.age").unlink()
    project.stops(lambda: project.adopt("prod"), "supabase-prod-jwt.age is missing, but its sidecar is there")
    (project.directory / "supabase-prod-jwt.json").unlink()
    project.stops(lambda: project.adopt("prod"), "supabase-prod-jwt.age is missing, but supabase-prod-anon.age is made from it")


# Secrets that a person gives

MAILER = {"host": "smtp.example.org", "sender": "me@example.org", "user": "me"}


def mailing(project: SecretProject, **defaults: Any) -> SecretProject:
    """Mails need the password of an account, and auth has secret variables besides."""
    return project.with_defaults(profile="api", services={"auth": True}, smtp=MAILER, **defaults)


def test_a_given_secret_is_put_there_with_age_and_adopted(project: SecretProject) -> None:
    more, before = mailing(project), project.files()
    told = more.stops(more.planned, "secrets/supabase-prod-smtp.age is missing", "the password of smtp.user")
    assert len(told.splitlines()) == 2, "one for each instance"
    for name in ("dev", "prod"):
        assert f"`just supabase-update-secret {name} smtp --stdin` takes it from standard input" in told
        command = f"age -a -R {more.operator.private}.pub -o secrets/supabase-{name}-smtp.age"
        subprocess.run(command, cwd=more.path, shell=True, input=f"of {name}\n".encode(), check=True)
        more.stops(more.planned, f"supabase-{name}-smtp.age has no sidecar", f"`just supabase-adopt {name}` checks it")
        assert more.adopt(name)[0] == f"re-encrypt supabase-{name}-smtp.age (adopted; for the recipients of group_data)"
    assert more.planned() == []
    assert more.values()["supabase-prod-smtp"] == "of prod"
    after = more.files()
    assert {name: after[name] for name in before if name != "supabase.nix"} == {
        name: content for name, content in before.items() if name != "supabase.nix"
    }, "what was there is as it was"


def test_a_given_secret_is_made_with_agenix_and_adopted(project: SecretProject) -> None:
    """Its rule comes first, or agenix would not know for whom to encrypt."""
    more = mailing(project)
    assert more.adopt("prod") == ["update secrets/supabase.nix (agenix rules)"]
    agenix(more, "-e", "supabase-prod-smtp.age", stdin=b"of prod\n")
    assert more.adopt("prod") == ["update supabase-prod-smtp.json (adopted)"]
    assert more.store.plan(more.host, [more.instance("prod")]).changes == ()
    assert more.values()["supabase-prod-smtp"] == "of prod"
    agenix(more, "-e", "supabase-prod-smtp.age", stdin=b"another\n")
    more.stops(more.planned, "supabase-prod-smtp.age is not the file its sidecar describes", "just supabase-adopt prod")
    assert more.adopt("prod") == ["update supabase-prod-smtp.json (adopted)"]


def test_a_first_project_can_be_given_its_secrets(tmp_path: Path) -> None:
    """Before there is a secret of its own, or the directory."""
    new = mailing(secret_project(tmp_path, "prod"))
    assert new.adopt("prod") == ["create secrets/supabase.nix (agenix rules)", "create secrets/secrets.nix (agenix rules)"]
    put(new, "supabase-prod-smtp", "my password\n")
    assert new.adopt("prod") == ["update supabase-prod-smtp.json (adopted)"]
    assert "create supabase-prod-jwt.age" in new.deploy()
    assert new.planned() == []


def test_secret_variables_are_lines(project: SecretProject) -> None:
    more = project.with_defaults(profile="api", secret_environment={"rest_api": "mine"})
    only = replace(more, names=("prod",))
    only.stops(only.planned, "secrets/mine.age is missing", "a line KEY=VALUE each")
    value = "PGRST_X=one\nPGRST_Y=two words#no comment"
    put(only, "mine", f"{value}\n")
    assert only.adopt("prod") == ["update mine.json (adopted)"]
    assert only.values()["mine"] == value
    assert only.planned() == []
    for line in ("no variable", "PGRST_Y=two words # a comment"):
        put(only, "mine", f"PGRST_X=hunter2hunter2\n{line}\n")
        told = only.stops(lambda: only.adopt("prod"), "mine.age is not usable: line 2 is not KEY=VALUE", "agenix -e mine.age")
        assert "hunter2" not in told
        assert line not in told


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("smtp", "two\nlines\n", ["supabase-prod-smtp.age is not usable: it is not one line"]),
        ("smtp", "p\xe4ss", ["supabase-prod-smtp.age is not usable: printable ASCII characters without"]),
        ("s3backend", "justanid", ["supabase-prod-s3backend.age is not usable: ID:SECRET of printable characters"]),
    ],
)
def test_what_is_given_is_checked(project: SecretProject, kind: str, value: str, words: list[str]) -> None:
    s3 = {"endpoint": "https://s3.example.org", "region": "eu", "bucket": "files"}
    more = mailing(project, storage={"enable": True, "backend": "s3", "s3": s3})
    put(more, f"supabase-prod-{kind}", value)
    told = more.stops(lambda: more.adopt("prod"), *words, f"agenix -e supabase-prod-{kind}.age")
    assert "update-secret" not in told, "no run can make it"


def test_a_given_secret_follows_the_recipients(project: SecretProject, tmp_path: Path) -> None:
    more = replace(mailing(project), names=("prod",))
    put(more, "supabase-prod-smtp", "my password")
    more.adopt("prod")
    colleague = keypair(tmp_path, "colleague")
    both = more.with_operators(more.operator.public, colleague.public)
    assert "re-encrypt supabase-prod-smtp.age (recipients: 1 added, 0 removed)" in both.deploy()
    assert both.values()["supabase-prod-smtp"] == "my password"


@pytest.mark.parametrize("rekeyed", [("jwt", "anon", "service"), ("anon",)])
def test_a_rekey_in_the_middle_of_a_rotation(project: SecretProject, rekeyed: tuple[str, ...]) -> None:
    """Each generation stays what it is, with its date."""
    only = replace(project, names=("prod",))
    stages: list[rotation.Stage] = ["start", "switch"]
    for stage in stages:
        only.deploy(Renewal(stage=stage))
    before = {name: parse(content) for name, content in only.files().items() if name.endswith("-previous.json")}
    for kind in rekeyed:
        for ending in ("", "-previous"):
            path = only.directory / f"supabase-prod-{kind}{ending}.age"
            path.write_bytes(age.encrypt(only.store.open(path.stem).encode() + b"\n", only.host.recipients))
    only.stops(only.planned, "just supabase-adopt prod")
    (item,) = only.instances()
    only.store.adopt(only.host, item)
    assert only.planned() == []
    after = {name: parse(content) for name, content in only.files().items() if name.endswith("-previous.json")}
    assert {name: sidecar.state for name, sidecar in after.items()} == {name: sidecar.state for name, sidecar in before.items()}
    assert only.deploy(Renewal(stage="retire"))
