import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from desired.errors import Busy, SecretStop
from desired.renewal import Renewal
from tests.keys import keypair
from tests.secret_project import SecretProject, forked, secret_project, tree_digest
from workstation import lock
from workstation.secret_store import SecretStore

KINDS = ("anon", "db", "dbverifier", "jwt", "service")


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> SecretProject:
    project = secret_project(tmp_path_factory.mktemp("deployed"), "dev", "prod")
    project.deploy()
    return project


@pytest.fixture
def project(deployed: SecretProject, tmp_path: Path) -> SecretProject:
    """A project with the secrets of dev and prod in place."""
    shutil.copytree(deployed.path, tmp_path / "project", ignore=shutil.ignore_patterns(lock.FILE))
    return replace(deployed, path=tmp_path / "project")


def age(project: SecretProject, name: str) -> Path:
    return project.directory / f"supabase-{name}.age"


def sidecar(project: SecretProject, name: str) -> Path:
    return project.directory / f"supabase-{name}.json"


# A new project


def test_a_new_project_is_planned_without_a_trace_and_made_in_one_go(tmp_path: Path) -> None:
    project = secret_project(tmp_path, "dev", "prod")
    project.operator.private.unlink()  # no private key in ordinary life
    before = tree_digest(project.path)
    plan = project.store.plan(project.host, project.host.instances)
    assert tree_digest(project.path) == before
    assert [str(change) for change in plan.changes] == [
        "create supabase-dev-db.age",
        "create supabase-dev-jwt.age",
        "create supabase-dev-anon.age (derived from supabase-dev-jwt)",
        "create supabase-dev-dbverifier.age (derived from supabase-dev-db)",
        "create supabase-dev-service.age (derived from supabase-dev-jwt)",
        "create supabase-prod-db.age",
        "create supabase-prod-jwt.age",
        "create supabase-prod-anon.age (derived from supabase-prod-jwt)",
        "create supabase-prod-dbverifier.age (derived from supabase-prod-db)",
        "create supabase-prod-service.age (derived from supabase-prod-jwt)",
        "create secrets/supabase.nix (agenix rules)",
        "create secrets/secrets.nix (agenix rules)",
    ]
    assert plan.ciphertext("supabase-dev-jwt") is None
    assert plan.digest("supabase-dev-dbverifier") is None
    settled = project.store.apply(plan)
    assert settled.changes == ()
    names = [f"supabase-{name}-{kind}" for name in ("dev", "prod") for kind in KINDS]
    files = [f"{name}.{suffix}" for name in names for suffix in ("age", "json")]
    assert sorted(project.files()) == sorted([*files, "secrets.nix", "supabase.nix"])
    for name in names:
        assert settled.ciphertext(name) == (project.directory / f"{name}.age").read_bytes()
    assert settled.digest("supabase-dev-dbverifier")
    assert settled.digest("supabase-dev-jwt") is None


def test_a_second_run_changes_nothing(project: SecretProject) -> None:
    before = tree_digest(project.path)
    assert project.deploy() == []
    assert tree_digest(project.path) == before  # the lock is not even taken


def test_operator_and_host_open_everything_with_age(project: SecretProject) -> None:
    values = project.values()
    assert len(set(values.values())) == 10
    for name, value in values.items():
        for key in (project.operator, project.server):
            command = ["age", "-d", "-i", str(key.private), str(project.directory / f"{name}.age")]
            assert subprocess.run(command, capture_output=True, check=True).stdout.decode() == value + "\n"


def test_no_plaintext_in_any_file(project: SecretProject) -> None:
    needles = [needle for value in project.values().values() for needle in (value, *value.split(":")) if len(needle) > 20]
    content = b"".join(path.read_bytes() for path in project.path.rglob("*") if path.is_file())
    (project.path / "planted").write_text(needles[0])
    assert needles[0].encode() in (project.path / "planted").read_bytes()
    assert not any(needle.encode() in content for needle in needles)


def test_expiry_is_data(project: SecretProject) -> None:
    expiries = {item.secret: item.expires for item in project.store.sidecars()}
    assert len(expiries) == 10
    assert {name for name, expires in expiries.items() if expires} == {
        f"supabase-{name}-{kind}" for name in ("dev", "prod") for kind in ("anon", "service")
    }


def test_a_further_instance_leaves_the_others_alone(project: SecretProject) -> None:
    project.operator.private.chmod(0)
    before = project.files()
    more = replace(project, names=("dev", "prod", "shop"))
    try:
        assert len(more.deploy()) == 5 + 1
    finally:
        project.operator.private.chmod(0o600)
    after = project.files()
    assert {name: after[name] for name in before if name != "supabase.nix"} == {
        name: content for name, content in before.items() if name != "supabase.nix"
    }
    assert more.planned() == []


def test_a_targeted_plan_sees_only_its_instance(project: SecretProject) -> None:
    age(project, "prod-jwt").unlink()
    plan = project.store.plan(project.host, [project.instance("dev")])
    assert plan.changes == ()


# What is not as a run left it


def damaged(project: SecretProject, name: str, change: Callable[[bytes], bytes]) -> None:
    path = project.directory / name
    path.write_bytes(change(path.read_bytes()))


def copied(source: str, target: str, *suffixes: str) -> Callable[[SecretProject], None]:
    def change(project: SecretProject) -> None:
        for suffix in suffixes:
            shutil.copy(project.directory / f"supabase-{source}.{suffix}", project.directory / f"supabase-{target}.{suffix}")

    return change


def edited(name: str, **fields: object) -> Callable[[SecretProject], None]:
    def change(project: SecretProject) -> None:
        path = sidecar(project, name)
        path.write_text(json.dumps({**json.loads(path.read_bytes()), **fields}, indent=2, sort_keys=True) + "\n")

    return change


def removed(*names: str) -> Callable[[SecretProject], None]:
    def change(project: SecretProject) -> None:
        for name in names:
            (project.directory / f"supabase-{name}").unlink()

    return change


def written(name: str, content: bytes) -> Callable[[SecretProject], None]:
    def change(project: SecretProject) -> None:
        (project.directory / f"supabase-{name}").write_bytes(content)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (removed("prod-jwt.age"), ["secrets/supabase-prod-jwt.age is missing", "git", "update-secret prod jwt"]),
        (removed("prod-jwt.json"), ["no sidecar secrets/supabase-prod-jwt.json", "git", "just supabase-adopt prod"]),
        (removed("prod-jwt.age", "prod-jwt.json"), ["supabase-prod-anon.age was made from it", "git", "update-secret prod jwt"]),
        (removed("prod-db.age", "prod-db.json"), ["supabase-prod-dbverifier.age was made from it", "update-secret prod db"]),
        (written("prod-jwt.age", b""), ["supabase-prod-jwt.age is damaged: it is empty", "git"]),
        (written("prod-jwt.age", b"plain\n"), ["supabase-prod-jwt.age is damaged: it is not an age file", "git"]),
        (copied("prod-jwt", "dev-jwt", "age"), ["supabase-dev-jwt.age is a copy of supabase-prod-jwt.age", "git"]),
        (copied("prod-jwt", "dev-jwt", "age", "json"), ["supabase-dev-jwt.json is the sidecar of supabase-prod-jwt", "git"]),
        (copied("prod-anon", "prod-service", "age"), ["supabase-prod-service.age is a copy of supabase-prod-anon.age"]),
        (copied("prod-anon", "prod-service", "json"), ["prod-service.json is the sidecar of supabase-prod-anon"]),
        (edited("prod-jwt", id="0" * 16), ["supabase-prod-jwt.json cannot be trusted: it was edited by hand", "adopt prod"]),
        (edited("prod-jwt", recipients=["ssh-ed25519 AAAA"]), ["supabase-prod-jwt.json cannot be trusted: it was edited"]),
        (edited("prod-db", ciphertext="0" * 64), ["supabase-prod-db.json cannot be trusted: it was edited by hand"]),
        (edited("prod-db", check="0" * 64), ["supabase-prod-db.json cannot be trusted: it was edited by hand"]),
        (edited("prod-db", ciphertext="short"), ["its field ciphertext is not of the right form"]),
        (edited("prod-db", comment="mine"), ["its fields are not those of a sidecar"]),
        (written("prod-db.json", b"<<<<<<< HEAD\n"), ["supabase-prod-db.json cannot be trusted: it is not JSON"]),
        (written("prod-db.json", b""), ["supabase-prod-db.json cannot be trusted: it is not JSON"]),
    ],
)
def test_a_stop_says_what_where_and_the_next_step(
    project: SecretProject, change: Callable[[SecretProject], None], words: list[str]
) -> None:
    change(project)
    project.stops(project.planned, *words)
    project.stops(project.deploy, *words)


@pytest.mark.parametrize(
    "position", [0, 1, 30, 34, 35, 36, 64, 99, 100, 101, 200, 300, 399, 400, 500, -70, -40, -37, -36, -35, -2]
)
def test_a_file_cut_off_anywhere(project: SecretProject, position: int) -> None:
    damaged(project, "supabase-prod-jwt.age", lambda content: content[:position])
    project.stops(project.planned, "supabase-prod-jwt.age is damaged", "restore it from git")


def test_another_line_end_or_a_turned_bit_is_a_changed_file(project: SecretProject) -> None:
    damaged(project, "supabase-prod-jwt.age", lambda content: content[:-1])
    project.stops(project.planned, "is not the file its sidecar describes", "just supabase-adopt prod", "git")


def test_a_re_encrypted_file_is_a_changed_file(project: SecretProject) -> None:
    value = project.store.open("supabase-prod-db")
    command = ["age", "-a", "-r", project.operator.public, "-o", str(age(project, "prod-db"))]
    subprocess.run(command, input=value.encode(), check=True)
    project.stops(project.planned, "supabase-prod-db.age is not the file its sidecar describes", "just supabase-adopt prod")


def test_files_of_two_commits_do_not_mix(project: SecretProject) -> None:
    old = {suffix: (project.directory / f"supabase-prod-anon.{suffix}").read_bytes() for suffix in ("age", "json")}
    project.deploy(Renewal(frozenset({"jwt"})))
    for suffix, content in old.items():
        (project.directory / f"supabase-prod-anon.{suffix}").write_bytes(content)
    project.stops(project.planned, "supabase-prod-anon.age was made from another jwt", "restore both from one commit")


def test_other_values_in_group_data(project: SecretProject) -> None:
    moved = replace(project, postgresql_port=5433)
    moved.stops(moved.planned, "supabase-dev-db.age was made for other values", "port 5433", "update-secret dev db")
    changes = moved.deploy(Renewal(frozenset({"db"})))
    assert [change for change in changes if "prod" in change] == [
        "update supabase-prod-db.age",
        "update supabase-prod-dbverifier.age (derived from supabase-prod-db)",
    ]
    assert "@localhost:5433/" in moved.values()["supabase-prod-db"]
    assert moved.planned() == []


def test_a_path_that_cannot_be_read(project: SecretProject) -> None:
    age(project, "prod-jwt").unlink()
    age(project, "prod-jwt").mkdir()
    with pytest.raises(SecretStop, match=r"supabase-prod-jwt\.age: Is a directory"):
        project.planned()


# Missing children, recipients, identities


def test_a_missing_child_is_made_from_the_stored_parent(project: SecretProject) -> None:
    values = project.values()
    removed("prod-anon.age", "prod-anon.json", "dev-dbverifier.age", "dev-dbverifier.json")(project)
    before = project.files()
    assert project.deploy() == [
        "create supabase-dev-dbverifier.age (derived from supabase-dev-db)",
        "create supabase-prod-anon.age (derived from supabase-prod-jwt)",
    ]
    after = project.files()
    assert {name: after[name] for name in before} == before
    assert project.planned() == []
    now = project.values()
    unchanged = values.keys() - {"supabase-prod-anon", "supabase-dev-dbverifier"}
    assert {name: now[name] for name in unchanged} == {name: values[name] for name in unchanged}
    assert now["supabase-dev-dbverifier"] != values["supabase-dev-dbverifier"]  # another salt


def test_a_missing_child_whose_parent_cannot_be_read(project: SecretProject, tmp_path: Path) -> None:
    removed("prod-anon.age", "prod-anon.json")(project)
    other = keypair(tmp_path, "other")
    stranger = replace(project.store, identity=str(other.private))
    instances = project.host.instances
    project.stops(
        lambda: stranger.plan(project.host, instances),
        "supabase-prod-jwt.age must be opened to create supabase-prod-anon.age",
        str(other.private),
        project.operator.public,
    )
    nobody = replace(project.store, identity=str(tmp_path / "nothing"))
    project.stops(lambda: nobody.plan(project.host, instances), "there is no identity", "nothing")
    # a key that does not tell whether it is the right one: found out when the file is opened, before anything is written
    other.private.write_text("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n")
    other.private.with_name("other.pub").unlink()
    plan = stranger.plan(project.host, instances)
    project.stops(lambda: stranger.apply(plan), "supabase-prod-jwt.age", "no SSH private key")


def test_recipients_change_and_only_what_must_is_re_encrypted(project: SecretProject, tmp_path: Path) -> None:
    values, before = project.values(), project.files()
    colleague = keypair(tmp_path, "colleague")
    both = project.with_operators(project.operator.public, colleague.public)
    plan = both.store.plan(both.host, [both.instance("dev")])
    assert [change.verb for change in plan.changes] == ["re-encrypt"] * 5 + ["update"]
    assert plan.changes[0].detail == "recipients: 1 added, 0 removed"
    assert plan.ciphertext("supabase-dev-dbverifier") is None
    assert plan.digest("supabase-dev-dbverifier")
    both.store.apply(plan)
    after = project.files()
    assert {name for name in before if after[name] != before[name]} == {
        *(f"supabase-dev-{kind}.{suffix}" for kind in KINDS for suffix in ("age", "json")),
        "supabase.nix",
    }
    assert project.values() == values
    opened = subprocess.run(["age", "-d", "-i", colleague.private, age(project, "dev-jwt")], capture_output=True, check=True)
    assert opened.stdout.decode().strip() == values["supabase-dev-jwt"]
    assert both.store.plan(both.host, [both.instance("dev")]).changes == ()
    ids = {item.secret: item.id for item in project.store.sidecars()}
    assert ids["supabase-dev-jwt"] == json.loads(before["supabase-dev-jwt.json"])["id"]


def test_recipients_cannot_change_without_the_right_identity(project: SecretProject, tmp_path: Path) -> None:
    colleague = keypair(tmp_path, "colleague")
    other = replace(project.with_operators(colleague.public), operator=colleague)
    other.stops(other.planned, "must be opened to re-encrypt", str(colleague.private), project.operator.public)


@pytest.mark.parametrize(
    ("renew", "changed"),
    [({"jwt"}, {"jwt", "anon", "service"}), ({"db"}, {"db", "dbverifier"}), ({"anon"}, {"anon"}), ({"jwt", "db"}, set(KINDS))],
)
def test_renewal_takes_all_derived_and_nothing_else(project: SecretProject, renew: set[str], changed: set[str]) -> None:
    values, before = project.values(), project.files()
    prod = [project.instance("prod")]
    project.store.apply(project.store.plan(project.host, prod, Renewal(frozenset(renew))))
    now, after = project.values(), project.files()
    names = {f"supabase-prod-{kind}" for kind in changed}
    assert {name for name in values if now[name] != values[name]} == names
    assert {Path(name).stem for name in before if after[name] != before[name]} == names
    assert project.planned() == []


# Services that are switched on and off


def test_a_further_service_only_adds_files(project: SecretProject) -> None:
    """What was there is not made anew, and no private key is needed."""
    before = project.files()
    full = project.with_defaults(profile="full")
    project.operator.private.chmod(0)
    try:
        assert full.deploy() == [
            *(
                f"create supabase-{name}-{kind}.age"
                for name in ("dev", "prod")
                for kind in ("dashboard", "meta", "realtime", "s3")
            ),
            "update secrets/supabase.nix (agenix rules)",
        ]
    finally:
        project.operator.private.chmod(0o600)
    after = full.files()
    assert {name: after[name] for name in before if name != "supabase.nix"} == {
        name: content for name, content in before.items() if name != "supabase.nix"
    }
    assert full.planned() == []


def test_a_service_that_is_switched_off_keeps_its_secrets_unread(project: SecretProject) -> None:
    """They are there when it is switched on again; damaged meanwhile, they are nobody's business until then."""
    full = project.with_defaults(profile="full")
    full.deploy()
    before = project.files()
    assert project.planned() == []
    assert project.instance("prod").secrets.keys() == set(KINDS)
    damaged(project, "supabase-prod-meta.age", lambda content: content[:-40])
    assert project.planned() == []
    full.stops(full.planned, "supabase-prod-meta.age is damaged")
    (project.directory / "supabase-prod-meta.age").write_bytes(before["supabase-prod-meta.age"])
    assert full.planned() == []
    assert project.files() == before


def test_a_login_of_its_own_for_auth(project: SecretProject) -> None:
    own = project.with_defaults(profile="api", services={"auth": True}, auth={"database_socket": False})
    assert [change for change in own.deploy() if "prod" in change] == [
        "create supabase-prod-authdb.age",
        "create supabase-prod-authverifier.age (derived from supabase-prod-authdb)",
    ]
    plan = own.store.plan(own.host, own.host.instances)
    assert own.instance("prod").verifiers == {
        "supabase_prod": "supabase-prod-dbverifier",
        "supabase_prod_auth": "supabase-prod-authverifier",
    }
    assert all(plan.digest(secret) for secret in own.instance("prod").verifiers.values())


# agenix rules, locks, failures


def test_the_users_own_files_are_left_alone(tmp_path: Path) -> None:
    project = secret_project(tmp_path, "prod")
    project.directory.mkdir()
    own = {"secrets.nix": b'{ "mine.age".publicKeys = [ ]; }\n', "mine.age": b"mine", "mine.json": b"{}", "package.json": b"[]"}
    for name, content in own.items():
        (project.directory / name).write_bytes(content)
    plan = project.store.plan(project.host, project.host.instances)
    assert (
        plan.hint == "secrets/secrets.nix: add `// import ./supabase.nix` at its end, so that the agenix CLI knows these secrets"
    )
    project.store.apply(plan)
    assert {name: project.files()[name] for name in own} == own
    assert len(project.store.sidecars()) == 5


def test_lost_rules_are_written_again(project: SecretProject) -> None:
    before = project.files()
    (project.directory / "supabase.nix").unlink()
    assert project.deploy() == ["create secrets/supabase.nix (agenix rules)"]
    assert project.files() == before


def test_an_orphans_rule_stays(project: SecretProject) -> None:
    before = project.files()["supabase.nix"]
    only = replace(project, names=("prod",))
    assert only.planned() == []
    removed("prod-anon.age", "prod-anon.json")(project)
    only.deploy()
    assert project.files()["supabase.nix"] == before


def test_another_run_at_work(project: SecretProject) -> None:
    reader, writer = os.pipe()

    def work() -> None:
        removed("prod-anon.age", "prod-anon.json")(project)
        os.read(reader, 1)
        with pytest.raises(Busy, match="another run"):
            project.deploy()
        assert len(project.planned()) == 1

    lock.hold(project.path)
    os.write(writer, b"x")
    assert forked(work) == 0


def test_files_changed_between_plan_and_apply(project: SecretProject) -> None:
    removed("prod-anon.age", "prod-anon.json")(project)
    plan = project.store.plan(project.host, project.host.instances)
    copied("prod-service", "prod-anon", "age")(project)
    with pytest.raises(SecretStop):
        project.store.apply(plan)
    removed("prod-anon.age")(project)
    project.store.apply(project.store.plan(project.host, project.host.instances))
    with pytest.raises(SecretStop, match="has changed since this run planned; nothing was made; run again"):
        project.store.apply(plan)


@pytest.mark.parametrize("limit", [0, 400, 1000, 3000, 6000])
def test_no_space(tmp_path: Path, limit: int) -> None:
    """A failing write leaves nothing half-written, and the next run goes on."""
    project = secret_project(tmp_path, "dev", "prod")

    def deploy_without_space() -> None:
        lock.hold(project.path)  # the note in the lock file is a write too
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        with pytest.raises(SecretStop, match="File too large"):
            project.deploy()

    assert forked(deploy_without_space) == 0
    assert not [name for name in project.files() if name.endswith(".tmp")]
    for name, content in project.files().items():
        if name.endswith(".age"):
            assert content.endswith(b"-----END AGE ENCRYPTED FILE-----\n")
    project.deploy()
    assert project.planned() == []
    assert len(project.values()) == 10


def test_a_hundred_instances_are_observed_quickly(tmp_path: Path) -> None:
    project = secret_project(tmp_path, *(f"i{number}" for number in range(100)))
    project.deploy()
    store, host = project.store, project.host
    times = []
    for _ in range(9):
        start = time.perf_counter()
        assert store.plan(host, host.instances).changes == ()
        times.append(time.perf_counter() - start)
    print(f"100 instances, 500 secrets: median {statistics.median(times) * 1000:.1f} ms, best {min(times) * 1000:.1f} ms")
    assert min(times) < 0.25


def test_a_run_without_changes_loads_no_cryptography() -> None:
    code = (
        "import sys, workstation.secret_store; "
        "sys.exit(' '.join(name for name in ('pyrage', 'jwt', 'cryptography', 'paramiko') if name in sys.modules) or None)"
    )
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_store_takes_group_datas_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    store = SecretStore(tmp_path, "infra/secrets")
    assert store.directory == tmp_path / "infra/secrets"
    assert store.identity_file == Path("/home/someone/.ssh/id_ed25519")
    assert store.shown("x") == "infra/secrets/x.age"
