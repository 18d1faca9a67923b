"""The commands and procedures of the docs, word for word, against a real host."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.api import Api
from tests.host import Machine
from tests.keys import KeyPair, keypair
from tests.lab import Lab, bare
from tests.project import ROOT
from tests.reporting import status
from tests.test_adoption import AGENIX, PROGRAMS

HOSTS = "known_hosts"


def commands(page: str, mark: str) -> list[str]:
    """The lines of the code block between `<!-- MARK -->` and `<!-- end -->`, without their comments."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found = re.search(rf"<!-- {mark} -->\n(.*?)<!-- end -->", text, re.DOTALL)
    assert found, f"{page} marks no commands {mark}"
    return [re.sub(r"  +# .*", "", line.removeprefix("    ")).rstrip() for line in found[1].splitlines() if line.strip()]


@pytest.fixture(scope="module")
def lab(shared_machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Prod at port 8001 and dev, in a project with the justfile and a known_hosts of its own."""
    lab = bare(shared_machine, tmp_path_factory.mktemp("docs"))
    (lab.project.directory / "justfile").symlink_to(ROOT / "justfile")
    (lab.project.directory / HOSTS).write_text(shared_machine.known_hosts.read_text())
    lab.project.hosts[shared_machine.ip]["ssh_known_hosts_file"] = HOSTS
    lab.project.write()
    done = lab.project.converge()
    assert done.status == 0, done.output
    lab.serves()
    return lab


#: Command to what it must show.
ON_HOST = {
    "systemctl status supabase-prod": "active (running)",
    "systemctl list-units 'supabase-prod*'": "supabase-prod-rest.service",
    "systemctl status supabase-prod.slice": "supabase-prod-rest.service",
    "journalctl -u supabase-prod -f": "supabase-prod",
    "journalctl -t supabase_prod -n 20": "HEAD /rest/v1/wrong 401",
    "journalctl -u supabase-prod-rest -n 20": "postgrest",
    "psql -h localhost -U supabase_prod -d supabase_prod": "supabase_prod|supabase_prod",
    "/etc/supabase/check-secrets": "",
    "ss -ltnp 'sport = :8001'": "127.0.0.1:8001",
    "sed 's/^/apikey: /' /run/agenix/supabase-prod-service | curl -si -H @- http://127.0.0.1:8001/rest/v1/": "HTTP/1.1 200 OK",
}


def test_every_command_on_the_host_is_tried() -> None:
    assert commands("troubleshooting.md", "host") == [*ON_HOST]


@pytest.mark.parametrize("command", ON_HOST)
def test_on_the_host(lab: Lab, command: str) -> None:
    prepare, run = "", command
    if command.endswith(" -f"):
        run = f"timeout 2 {command}; [ $? = 124 ]"
    elif "-t supabase_prod" in command:
        prepare = "curl -sI http://127.0.0.1:8001/rest/v1/wrong > /dev/null; sleep 0.5; "
    elif command.startswith("psql"):
        # What a person types at the prompt.
        password = urlsplit(Api(lab.project, lab.machine, "prod").secret("db")).password
        run = f"echo 'SELECT current_user, current_database()' | PGPASSWORD={password} {command} -At"
    done = lab.machine.run(prepare + run)
    assert ON_HOST[command] in done.stdout
    if not ON_HOST[command]:
        assert done.stdout + done.stderr == ""


ON_WORKSTATION = {
    "just supabase-status prod": "healthy",
    "just supabase-keys prod": "SUPABASE_URL=https://supabase.example.org",
    "python -m reports.live": "",
    "(cd secrets && agenix -d supabase-prod-jwt.age -i ~/.ssh/id_ed25519)": "jwt",
    "age -d -i ~/.ssh/id_ed25519 secrets/supabase-prod-jwt.age": "jwt",
    "python -m reports.decrypt -i ~/.ssh/id_ed25519 secrets/supabase-prod-jwt.age": "jwt",
}


def test_every_command_on_the_workstation_is_tried() -> None:
    assert commands("troubleshooting.md", "workstation") == [*ON_WORKSTATION]


def workstation(lab: Lab, command: str, home: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """As an operator types it: with the key in ~/.ssh, just and this Python on PATH."""
    programs = home / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    for name, program in (("python", sys.executable), ("python3", sys.executable)):
        (programs / name).unlink(missing_ok=True)
        (programs / name).write_text(f'#!/bin/sh\nexec {program} "$@"\n')
        (programs / name).chmod(0o755)
    path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", command],
        cwd=lab.project.directory,
        env={**lab.project.environment(), "HOME": str(home), "PATH": path, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )


def at_home(home: Path, key: KeyPair) -> None:
    """The operator's key where everybody has it. OpenSSH takes the home directory of the account, age that of HOME."""
    (home / ".ssh").mkdir(parents=True, exist_ok=True)
    shutil.copy(key.private, home / ".ssh/id_ed25519")
    shutil.copy(f"{key.private}.pub", home / ".ssh/id_ed25519.pub")


def put_agenix(home: Path) -> None:
    """agenix' own script, where a channel has it."""
    missing = [program for program in PROGRAMS.values() if shutil.which(program) is None]
    if not AGENIX.exists() or missing:
        pytest.skip(f"the agenix CLI needs its channel and {', '.join(missing) or 'nothing else'}")
    text = AGENIX.read_text()
    for name, program in PROGRAMS.items():
        text = text.replace(f"@{name}@", program)
    (home / "bin").mkdir(parents=True)
    (home / "bin/agenix").write_text(text if text.startswith("#!") else f"#!/usr/bin/env bash\n{text}")
    (home / "bin/agenix").chmod(0o755)


@pytest.mark.parametrize("command", ON_WORKSTATION)
def test_on_the_workstation(lab: Lab, command: str, tmp_path: Path) -> None:
    at_home(tmp_path, lab.project.operator)
    if "agenix" in command:
        put_agenix(tmp_path)
    done = workstation(lab, command, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    expected = ON_WORKSTATION[command]
    assert (Api(lab.project, lab.machine, "prod").secret("jwt") if expected == "jwt" else expected) in done.stdout


def test_agenix_finds_no_rule_outside_the_directory(lab: Lab, tmp_path: Path) -> None:
    at_home(tmp_path, lab.project.operator)
    put_agenix(tmp_path)
    assert workstation(lab, "agenix -d secrets/supabase-prod-jwt.age", tmp_path).returncode != 0
    assert workstation(lab, "RULES=secrets/secrets.nix agenix -d secrets/supabase-prod-jwt.age", tmp_path).returncode != 0


def test_a_port_that_is_taken(lab: Lab) -> None:
    """The run returns the host, and the command of the docs shows who it is."""
    listen = "IO::Socket::INET->new(LocalAddr => '127.0.0.1:9001', Listen => 5) or die; sleep 900"
    perl = f"perl -MIO::Socket::INET -e \"\\$0 = 'stranger'; \\$s = {listen}\""
    lab.machine.console(f"setsid {perl} < /dev/null > /dev/null 2>&1 &")
    lab.machine.console("until ss -ltn 'sport = :9001' | grep -q 9001; do sleep 0.1; done", timeout=10)
    kept = lab.project.data["instances"]["dev"]
    before = lab.standing()
    try:
        lab.project.data["instances"]["dev"] = {"port": 9001}
        lab.project.write()
        done = lab.project.converge()
        assert done.status != 0
        assert "supabase-dev-9001.socket" in done.output
        assert "127.0.0.1:9001" in lab.machine.run("ss -ltnp 'sport = :9001'").stdout
    finally:
        lab.project.data["instances"]["dev"] = kept
        lab.project.write()
        lab.machine.console("pkill stranger")
    assert lab.standing() == before
    assert lab.project.converge().status == 0
    assert status(lab.project).document["state"] == "healthy"


def opens(lab: Lab, key: KeyPair, name: str = "supabase-prod-jwt") -> bool:
    command = ["age", "-d", "-i", str(key.private), str(lab.project.directory / f"secrets/{name}.age")]
    return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL).returncode == 0


def test_an_operator_more_and_one_less(lab: Lab, tmp_path: Path) -> None:
    first, second = lab.project.operator, keypair(tmp_path, "second")
    value = Api(lab.project, lab.machine, "prod").secret("jwt")
    at_home(tmp_path, first)
    for operators in ([first, second], [first]):
        lab.project.data["operators"] = [key.public for key in operators]
        lab.project.write()
        assert "encrypted for others" in status(lab.project).instance("prod")["problems"][0]
        # As `just deploy`, with nobody to ask.
        done = lab.project.converge()
        assert done.status == 0, done.output
        assert (opens(lab, first), opens(lab, second)) == (True, second in operators)
        assert Api(lab.project, lab.machine, "prod").secret("jwt") == value
        assert status(lab.project).document["state"] == "healthy"


def test_the_only_operator_s_key_is_lost(lab: Lab, tmp_path: Path) -> None:
    """The values come from the host and stay the same: nothing restarts but what reads new files."""
    old, new = lab.project.operator, keypair(tmp_path, "new")
    before = {kind: Api(lab.project, lab.machine, "prod").secret(kind) for kind in ("jwt", "anon", "service", "db")}
    at_home(tmp_path, new)
    lab.project.operator = new
    lab.project.data |= {"operators": [new.public], "identity": str(new.private)}
    lab.project.write()
    assert not opens(lab, new)
    program, *words = lab.machine.connection.command()
    ssh = shlex.join([str(shutil.which(program)), *(word for word in words if not word.startswith("root@"))])
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/ssh").write_text(f'#!/bin/sh\nexec {ssh} "$@"\n')
    (tmp_path / "bin/ssh").chmod(0o755)
    lines = commands("secrets.md", "lost operator key")
    assert lines[-2:] == ["just supabase-adopt prod", "just deploy"]
    # The same for the other instance, and nobody is asked.
    both = "\n".join(lines[:-1]).replace("HOST", lab.machine.ip)
    for text in (both, both.replace("prod", "dev")):
        done = workstation(lab, f"set -e -o pipefail\n{text}", tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    done_deploy = lab.project.converge()
    assert done_deploy.status == 0, done_deploy.output
    assert {kind: Api(lab.project, lab.machine, "prod").secret(kind) for kind in before} == before
    assert not opens(lab, old)
    assert status(lab.project).document["state"] == "healthy"


def test_another_host_key(lab: Lab, tmp_path: Path) -> None:
    """As after a reinstallation that kept the data."""
    key, machine = "/etc/ssh/ssh_host_ed25519_key", lab.machine
    machine.console(f"rm {key} {key}.pub; ssh-keygen -q -t ed25519 -N '' -f {key}; systemctl restart ssh")
    assert "docs/secrets.md" in status(lab.project).host(machine.ip)["reason"]
    broken = machine.console("/etc/supabase/check-secrets", check=False)
    assert (broken.returncode, "supabase-prod-jwt: does not open with" in broken.stderr) == (1, True)
    at_home(tmp_path, lab.project.operator)
    lines = commands("secrets.md", "new host key")
    assert lines[-1] == "just deploy"
    for line in lines[:-1]:
        done = workstation(lab, line.replace("HOST", machine.ip), tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    public = machine.console(f"ssh-keygen -lf {key}.pub").stdout.split()[1]
    assert public in done.stdout, "the fingerprint to compare"
    machine.connection.close()
    machine.known_hosts.write_text((lab.project.directory / HOSTS).read_text())
    deployed = lab.project.converge()
    assert deployed.status == 0, deployed.output
    assert machine.console("/etc/supabase/check-secrets").stderr == ""
    assert status(lab.project).document["state"] == "healthy"
