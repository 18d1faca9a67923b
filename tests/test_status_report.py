"""`just supabase-status` against a real host: everything in one command, and whatever is wrong shows as it is."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from desired.sidecar import parse, render, time_text
from reports.status_text import WIDTH
from tests.host import Machine
from tests.keys import keypair
from tests.lab import TREE, Lab, bare
from tests.reporting import report, same_plan, sessions, status
from workstation import clock

PSQL = "runuser -u postgres -- psql -X -q -v ON_ERROR_STOP=1 -d postgres"
REST = "$(systemctl show -P MainPID supabase-prod-rest)"
BACK = "systemctl start postgresql supabase-prod-rest supabase-dev-rest; sleep 1"
#: What everybody knows from Supabase's examples: base64 of `"iss": "supabase-demo"` is in it.
DEMO = "eyJhbGciOiAiSFMyNTYiLCAidHlwIjogIkpXVCJ9.eyJyb2xlIjogImFub24iLCAiaXNzIjogInN1cGFiYXNlLWRlbW8ifQ.x"


@pytest.fixture(scope="module")
def lab(shared_machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A host that serves prod and dev, each REST alone."""
    lab = bare(shared_machine, tmp_path_factory.mktemp("status"))
    done = lab.project.converge()
    assert done.status == 0, done.output
    lab.serves()
    return lab


@pytest.fixture
def restored(lab: Lab) -> Iterator[Path]:
    """The project's directory, whose data, secrets and slots are put back afterwards."""
    project = lab.project
    data, files = json.loads(json.dumps(project.data)), {name: text for name, text in project.files().items() if "/" in name}
    slots = (project.directory / "slots.json").read_bytes()
    yield project.directory
    project.data = data
    project.write()
    for path in (project.directory / "secrets").iterdir():
        if str(path.relative_to(project.directory)) not in files:
            path.unlink()
    for name, text in {**files, "slots.json": slots}.items():
        (project.directory / name).write_bytes(text)


def test_all_is_well_in_one_command(lab: Lab) -> None:
    with sessions(lab.machine) as seen:
        said = status(lab.project)
    assert seen == ["connection", "command"]
    assert said.document["state"] == "healthy"
    assert said.document["orphans"] == []
    host = said.host(lab.machine.ip)
    assert host["postgresql"] == {"answers": True, "version": 170000 + host["postgresql"]["version"] % 10000} | {
        "connections": host["postgresql"]["connections"],
        "limit": 470,
    }
    assert (host["reason"], host["returned"], host["pending"], host["problems"]) == (None, None, [], [])
    prod = said.instance("prod")
    assert prod["services"]["gateway"] == {"state": "healthy", "unit": "active", "answer": "ok"}
    assert prod["services"]["rest"] == {"state": "healthy", "unit": "active", "answer": "ok"}
    assert prod["services"]["auth"] == {"state": "off", "unit": None, "answer": None}
    assert prod["database"]["name"] == "supabase_prod"
    assert prod["database"]["bytes"] > 5_000_000
    assert 1 <= prod["database"]["connections"] < prod["database"]["limit"] == 45
    assert prod["memory"]["limit"] == 512 * 2**20
    assert (prod["slot"], prod["port"], prod["url"]) == (1, 8001, "https://supabase.example.org")
    assert (prod["pending"], prod["problems"], prod["warnings"], prod["rotation"]) == ([], [], [], None)
    kinds = {secret["kind"]: secret for secret in prod["secrets"]}
    assert set(kinds) == {"jwt", "anon", "service", "db", "dbverifier"}
    for kind, secret in kinds.items():
        assert (secret["state"], secret["recipients"], secret["on_host"], secret["demo"]) == ("current", "right", True, False)
        assert secret["age_days"] == 0
        assert (secret["expires_in_days"] or 0) > 1800 if kind in ("anon", "service") else secret["expires"] is None
    same_plan(lab.project, said)


def test_a_person_reads_the_same(lab: Lab) -> None:
    said = report(lab.project, "status")
    assert (said.status, said.stderr) == (0, "")
    assert max(map(len, said.stdout.splitlines())) <= WIDTH
    lines = [line.split() for line in said.stdout.splitlines()]
    assert ["prod", "healthy", "1", "8001", "https://supabase.example.org"] in lines
    assert ["prod", "ok", "ok", *"------"] in lines
    assert lines[-1] == ["healthy"]


def test_one_instance(lab: Lab) -> None:
    said = status(lab.project, "dev")
    assert [item["name"] for host in said.document["hosts"] for item in host["instances"]] == ["dev"]
    unknown = report(lab.project, "status", "prd")
    assert (unknown.status, unknown.stdout) == (1, "")
    assert "dev, prod" in unknown.stderr


def test_it_changes_nothing(lab: Lab) -> None:
    before = (lab.standing(), lab.project.files())
    for arguments in ((), ("prod", "--json")):
        report(lab.project, "status", *arguments)
    assert (lab.standing(), lab.project.files()) == before


def test_a_reader_who_has_seen_enough(lab: Lab) -> None:
    command = f"{sys.executable} -m reports.status --json | true"
    done = subprocess.run(["sh", "-c", command], cwd=lab.project.directory, capture_output=True, text=True)
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("harm", "mend", "service", "seen", "says"),
    [
        ("systemctl stop supabase-prod-rest", BACK, "rest", ("inactive", "503"), "rest: its unit is inactive, answers HTTP 503"),
        (
            "systemctl stop supabase-prod supabase-prod-8001.socket",
            "systemctl start supabase-prod-8001.socket supabase-prod",
            "gateway",
            ("inactive", "000"),
            "gateway does not answer on 127.0.0.1:8001",
        ),
        (f"kill -STOP {REST}", f"kill -CONT {REST}", "rest", ("active", "000"), "rest: does not answer"),
        (
            f"{PSQL} -c 'ALTER ROLE supabase_prod_authenticator NOLOGIN'; systemctl restart supabase-prod-rest",
            f"{PSQL} -c 'ALTER ROLE supabase_prod_authenticator LOGIN'; systemctl restart supabase-prod-rest; sleep 1",
            "rest",
            ("active", "000"),
            "rest: does not answer",
        ),
    ],
    ids=["unit stopped", "gateway stopped", "upstream hangs", "upstream has no database"],
)
def test_a_service_that_does_not_serve(lab: Lab, harm: str, mend: str, service: str, seen: tuple[str, str], says: str) -> None:
    lab.machine.console(harm)
    try:
        said = status(lab.project)
        same_plan(lab.project, said)
        text = report(lab.project, "status").stdout
    finally:
        lab.machine.console(mend)
    assert said.document["state"] == said.instance("prod")["state"] == "unhealthy"
    assert said.instance("dev")["state"] == "healthy"
    assert said.instance("prod")["services"][service] == {"state": "unhealthy", "unit": seen[0], "answer": seen[1]}
    assert any(says in problem for problem in said.instance("prod")["problems"])
    assert max(map(len, text.splitlines())) <= WIDTH
    lab.serves()
    assert status(lab.project).document["state"] == "healthy"


def test_postgresql_is_down(lab: Lab) -> None:
    lab.machine.console("systemctl stop postgresql")
    try:
        said = status(lab.project)
    finally:
        lab.machine.console(BACK)
    host = said.host(lab.machine.ip)
    assert (host["state"], host["postgresql"]["answers"], host["pending"]) == ("unhealthy", False, None)
    assert "PostgreSQL does not answer: connection to server" in host["problems"][0]
    assert said.instance("prod")["database"] == {
        "name": "supabase_prod",
        "exists": None,
        "bytes": None,
        "connections": None,
        "limit": None,
    }
    assert said.instance("prod")["state"] == "unhealthy"


def test_a_secret_that_is_not_on_the_host(lab: Lab) -> None:
    lab.machine.console("rm /run/agenix/supabase-prod-jwt")
    said = status(lab.project)
    (problem,) = said.instance("prod")["problems"]
    assert "supabase-prod-jwt: not decrypted on the host" in problem
    assert said.instance("dev")["state"] == "healthy"
    # The next step, as it is told.
    lab.machine.console(problem.split("`")[1])
    assert status(lab.project).document["state"] == "healthy"


def test_a_demo_key(lab: Lab) -> None:
    file = "/run/agenix/supabase-prod-anon"
    lab.machine.console(f"cp -p {file} /run/kept; printf %s {DEMO} > {file}")
    try:
        said = status(lab.project)
    finally:
        lab.machine.console(f"mv /run/kept {file}")
    assert [secret["name"] for secret in said.instance("prod")["secrets"] if secret["demo"]] == ["supabase-prod-anon"]
    (problem,) = said.instance("prod")["problems"]
    assert "`just supabase-update-secret prod jwt`" in problem
    assert DEMO not in said.stdout


def test_wrong_recipients(lab: Lab, restored: Path, tmp_path: Path) -> None:
    lab.project.data["operators"].append(keypair(tmp_path, "second").public)
    lab.project.write()
    said = status(lab.project)
    assert {secret["recipients"] for secret in said.instance("prod")["secrets"]} == {"wrong"}
    assert (said.status, said.instance("prod")["state"]) == (1, "unhealthy")
    assert "`just deploy` re-encrypts" in said.instance("prod")["problems"][0]
    assert any("re-encrypt supabase-prod-jwt.age" in change for change in same_plan(lab.project, said).changes)
    assert " bad " in report(lab.project, "status").stdout


@pytest.mark.parametrize(
    ("file", "content", "state", "says"),
    [
        ("supabase-prod-jwt.json", b'{"instance": "prod"', "damaged", "supabase-prod-jwt.json cannot be trusted"),
        ("supabase-prod-anon.json", None, "missing", "supabase-prod-anon.age has no sidecar"),
        ("supabase-prod-db.age", None, "current", "supabase-prod-db.age is missing"),
        ("supabase-prod-db.age", b"nonsense", "current", "supabase-prod-db.age is damaged"),
    ],
)
def test_files_of_secrets_that_no_run_leaves(
    lab: Lab, restored: Path, file: str, content: bytes | None, state: str, says: str
) -> None:
    path = restored / "secrets" / file
    path.unlink() if content is None else path.write_bytes(content)
    said = status(lab.project)
    prod, dev = said.instance("prod"), said.instance("dev")
    name = file.partition(".")[0]
    assert next(secret for secret in prod["secrets"] if secret["name"] == name)["state"] == state
    assert (prod["state"], prod["pending"]) == ("unhealthy", None)
    assert any("a deploy would stop:" in problem and says in problem for problem in prod["problems"])
    assert (dev["state"], dev["pending"]) == ("healthy", [])
    dry = lab.project.dry()
    assert dry.status != 0
    assert says in dry.output


def test_a_key_that_ends_soon(lab: Lab, restored: Path) -> None:
    """29 days ahead it is a warning, a day after its end a problem."""
    path = restored / "secrets/supabase-prod-anon.json"
    sidecar = parse(path.read_bytes())
    for days, state in ((29, "healthy"), (-1, "unhealthy")):
        end = time_text(clock.now() + timedelta(days=days, minutes=5))
        path.write_bytes(render(type(sidecar)(**{**vars(sidecar), "expires": end})))
        said = status(lab.project).instance("prod")
        assert said["state"] == state
        (line,) = said["warnings"] + said["problems"]
        assert line.startswith("supabase-prod-anon ")
        assert "`just supabase-rotate-secrets prod`" in line
        assert bool(said["warnings"]) == (state == "healthy")


@pytest.mark.parametrize(
    ("place", "make", "undo"),
    [
        ("files", f"echo '{{\"slot\": 77}}' > {TREE}/instances/ghost.json", f"rm {TREE}/instances/ghost.json"),
        ("units", "systemd-run -q --unit=supabase-ghost-rest sleep 600", "systemctl stop supabase-ghost-rest"),
        ("data", "mkdir /var/lib/supabase/ghost", "rmdir /var/lib/supabase/ghost"),
        (
            "databases",
            f"{PSQL} -c 'CREATE DATABASE supabase_ghost' -c \"COMMENT ON DATABASE supabase_ghost IS 'supabase: instance ghost'\"",
            f"{PSQL} -c 'DROP DATABASE supabase_ghost'",
        ),
        (
            "roles",
            f"{PSQL} -c 'CREATE ROLE supabase_ghost' -c \"COMMENT ON ROLE supabase_ghost IS 'supabase: instance ghost'\"",
            f"{PSQL} -c 'DROP ROLE supabase_ghost'",
        ),
    ],
)
def test_an_orphan_in_one_place_of_the_host(lab: Lab, place: str, make: str, undo: str) -> None:
    lab.machine.console(make)
    try:
        said = status(lab.project)
        same_plan(lab.project, said)
    finally:
        lab.machine.console(undo)
    assert said.document["orphans"] == [{"name": "ghost", "host": lab.machine.ip, "places": [place]}]
    assert said.document["state"] == "unhealthy"
    assert {host["state"] for host in said.document["hosts"]} == {"healthy"}


def test_orphans_of_the_project(lab: Lab, restored: Path) -> None:
    slots = json.loads((restored / "slots.json").read_text())
    slots[lab.machine.ip]["gone"] = 9
    (restored / "slots.json").write_text(json.dumps(slots))
    sidecar = parse((restored / "secrets/supabase-prod-jwt.json").read_bytes())
    lost = type(sidecar)(**{**vars(sidecar), "instance": "lost", "secret": "supabase-lost-jwt"})
    (restored / "secrets/supabase-lost-jwt.json").write_bytes(render(lost))
    assert status(lab.project).document["orphans"] == [
        {"name": "gone", "host": lab.machine.ip, "places": ["slot"]},
        {"name": "lost", "host": None, "places": ["secrets"]},
    ]
    text = report(lab.project, "status").stdout
    assert "`just supabase-delete gone`" in text
    assert "unhealthy" in text.splitlines()[-1]


CHANGES: list[dict[str, Any]] = [
    {"dev": {"log_level": "debug", "subdomain": "other"}},
    {"dev": {"enable": False}},
    {"dev": {}, "more": {"profile": "app"}},
    {"dev": {"port": 8123}},
]


@pytest.mark.parametrize("instances", CHANGES, ids=["settings", "switched off", "a new instance", "port"])
def test_what_is_pending_is_what_a_dry_run_announces(lab: Lab, restored: Path, instances: dict[str, Any]) -> None:
    lab.project.data["instances"] |= instances
    lab.project.write()
    said = status(lab.project)
    assert same_plan(lab.project, said).changes
    if "more" in instances:
        assert said.instance("more")["problems"] == ["it is not on the host yet; `just deploy` brings it there"]
    assert said.instance("prod")["state"] == "healthy"


def test_a_run_that_has_not_ended(lab: Lab) -> None:
    lab.machine.console("mkdir /var/lib/supabase/way-back; echo '2026-11-22 by ada' > /var/lib/supabase/way-back/since")
    try:
        said = status(lab.project)
        same_plan(lab.project, said)
    finally:
        lab.machine.console("rm -r /var/lib/supabase/way-back")
    (problem,) = said.host(lab.machine.ip)["problems"]
    assert "armed since 2026-11-22 by ada" in problem


def test_another_host_key(lab: Lab) -> None:
    key = "/etc/ssh/ssh_host_ed25519_key"
    lab.machine.console(f"cp -p {key} /run/kept; rm {key}; ssh-keygen -q -t ed25519 -N '' -f {key}; systemctl restart ssh")
    try:
        said = status(lab.project)
    finally:
        lab.machine.console(f"mv /run/kept {key}; ssh-keygen -y -f {key} > {key}.pub; systemctl restart ssh")
    _unknown(said.host(lab.machine.ip), "docs/secrets.md")
    assert said.document["state"] == "unknown"


@pytest.mark.parametrize("reset", [True, False], ids=["ended", "silent"])
def test_the_line_breaks_in_the_middle_of_the_answer(lab: Lab, reset: bool) -> None:
    lab.machine.console(f"kill -STOP {REST}")
    command = [sys.executable, "-m", "reports.status", "--json"]
    start = time.monotonic()
    with subprocess.Popen(
        command, cwd=lab.project.directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        lab.machine.console("until pgrep curl; do sleep 0.05; done")
        lab.machine.cut_network(reset=reset)
        try:
            output, errors = process.communicate(timeout=70)
        finally:
            lab.machine.restore_network()
            lab.machine.console(f"kill -CONT {REST}")
    assert (process.returncode, errors) == (1, "")
    print(f"told after {time.monotonic() - start:.1f} s")
    _unknown(json.loads(output)["hosts"][0], "")
    lab.serves()


def test_one_host_of_two_is_down(lab: Lab) -> None:
    other = Machine.start()
    kept = lab.project.hosts, lab.project.data
    instances = {"instances": kept[1]["instances"]}
    lab.project.hosts = {
        lab.machine.ip: {**kept[0][lab.machine.ip], **instances},
        other.ip: {**other.pyinfra_data(), "instances": {"away": {}}, "ssh_paramiko_connect_kwargs": "no_delay"},
    }
    lab.project.data = {key: value for key, value in kept[1].items() if key != "instances"}
    # Its host key is known from before.
    hosts = Path(str(lab.project.directory / "other_hosts"))
    hosts.write_text(other.known_hosts.read_text())
    lab.project.hosts[other.ip]["ssh_known_hosts_file"] = str(hosts)
    lab.project.write()
    other.stop()
    try:
        with sessions(lab.machine) as seen:
            said = status(lab.project)
        text = report(lab.project, "status").stdout
    finally:
        lab.project.hosts, lab.project.data = kept
        lab.project.write()
    assert seen == ["connection", "command"]
    _unknown(said.host(other.ip), "")
    assert said.host(lab.machine.ip)["state"] == "healthy"
    assert said.document["state"] == "unknown"
    assert f"{other.ip}: unknown" in text
    assert f"{lab.machine.ip}: healthy" in text


def _unknown(host: dict[str, Any], reason: str) -> None:
    """A host that did not tell: nothing is claimed of it or its instances."""
    assert host["state"] == "unknown"
    assert host["reason"]
    assert reason in host["reason"]
    assert (host["pending"], host["postgresql"]["answers"]) == (None, None)
    for item in host["instances"]:
        assert item["state"] == "unknown"
        assert (item["pending"], item["services"]) == (None, {})
        assert {secret["on_host"] for secret in item["secrets"]} == {None}
