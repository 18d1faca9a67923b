"""What every verb says where it cannot do its work, with the next step; and that it has then changed nothing."""

import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.converge import differences
from tests.host import Machine
from tests.keys import keypair
from tests.lab import Lab, bare
from tests.project import Run
from tests.seen import look

CREATE, DELETE = ("tasks/create.py", "instance=third"), ("tasks/delete.py", "instance=dev", "confirm=dev")
UPDATE, ROTATE = ("tasks/update_secret.py", "instance=dev", "secret=anon"), ("tasks/rotate_secrets.py", "instance=dev")
DEPLOY = ("deploy.py", "instance=dev")
VERBS = {"create": CREATE, "delete": DELETE, "update": UPDATE, "rotate": ROTATE, "deploy": DEPLOY}
ALL = pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)


@pytest.fixture(scope="module")
def lab(shared_machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    made = bare(shared_machine, tmp_path_factory.mktemp("verbs"))
    assert made.project.converge().status == 0
    return made


@pytest.fixture(autouse=True)
def unchanged(lab: Lab) -> Iterator[None]:
    """Afterwards everything is as it was, but for the number of the last run that took the host."""
    before, data, hosts = look(lab.project, lab.machine), dict(lab.project.data), {**lab.project.hosts}
    yield
    lab.project.data, lab.project.hosts = data, hosts
    lab.project.write()
    after = look(lab.project, lab.machine)
    epoch = {"/var/lib/supabase/epoch": before.files["/var/lib/supabase/epoch"]}
    found = differences(before, replace(after, files={**after.files, **epoch}))
    assert not found


def run(lab: Lab, verb: tuple[str, ...]) -> Run:
    script, *data = verb
    files = lab.project.files()
    done = lab.project.converge(*(word for item in data for word in ("--data", item)), script=script)
    assert done.status != 0, done.output
    assert lab.project.files() == files
    return done


@ALL
def test_the_host_is_down(lab: Lab, verb: tuple[str, ...]) -> None:
    (name,) = lab.project.hosts
    lab.project.hosts = {name: {**lab.project.hosts[name], "ssh_port": 1}}
    port = Path(str(lab.project.hosts[name]["ssh_known_hosts_file"])).read_text()
    known = lab.project.directory / "known_hosts"
    known.write_text(port.replace(name, f"[{name}]:1", 1))
    lab.project.hosts[name]["ssh_known_hosts_file"] = str(known)
    lab.project.write()
    try:
        assert "Could not connect" in run(lab, verb).output
    finally:
        known.unlink()


@ALL
def test_another_host_answers(lab: Lab, verb: tuple[str, ...], tmp_path: Path) -> None:
    (name,) = lab.project.hosts
    known = tmp_path / "known_hosts"
    known.write_text(f"{name} {keypair(tmp_path, 'stranger').public}\n")
    lab.project.hosts = {name: {**lab.project.hosts[name], "ssh_known_hosts_file": str(known)}}
    lab.project.write()
    assert "Host key for" in run(lab, verb).output


@pytest.mark.parametrize("identity", ["wrong", "missing"])
def test_an_identity_that_does_not_open_the_parent(lab: Lab, tmp_path: Path, identity: str) -> None:
    """The anon key is made from the signing secret, which must be opened for it."""
    stranger = keypair(tmp_path, "stranger")
    lab.project.data["identity"] = str(stranger.private if identity == "wrong" else tmp_path / "nowhere")
    lab.project.write()
    said = run(lab, UPDATE).output
    assert "secrets/supabase-dev-jwt.age must be opened to update supabase-dev-anon.age" in said
    assert ("does not open with the identity" if identity == "wrong" else "there is no identity") in said
    assert "set `identity` in group_data" in said


@pytest.mark.parametrize("verb", [CREATE, UPDATE, ROTATE], ids=["create", "update", "rotate"])
def test_the_host_has_not_what_an_earlier_run_was_to_bring(lab: Lab, verb: tuple[str, ...]) -> None:
    """Only a full converge may bring what another instance waits for. (A deploy: test_targeted.py, delete: test_delete.py.)"""
    machine = lab.machine
    machine.run("cp /etc/nixos/supabase/instances/prod.json /root/kept")
    machine.run("jq '.logLevel = \"error\"' /root/kept > /etc/nixos/supabase/instances/prod.json")
    try:
        assert "run a full converge first" in run(lab, verb).output
    finally:
        machine.run("cat /root/kept > /etc/nixos/supabase/instances/prod.json && rm /root/kept")


@pytest.mark.parametrize("dry", [True, False], ids=["dry", "real"])
@ALL
def test_a_file_on_the_host_is_no_document(lab: Lab, verb: tuple[str, ...], dry: bool) -> None:
    machine = lab.machine
    machine.run("cd /etc/nixos/supabase/instances && cp -p prod.json /root/kept && echo nonsense > prod.json")
    try:
        _is_told(lab, verb, dry, "instances/prod.json on the host is no JSON object; remove it there and run again")
    finally:
        machine.run("cp -p /root/kept /etc/nixos/supabase/instances/prod.json && rm /root/kept")


@pytest.mark.parametrize(
    ("verb", "dry"),
    # delete has removed the entry before it asks PostgreSQL: that is a run cut halfway (test_killed.py)
    [(verb, dry) for name, verb in VERBS.items() for dry in (True, False) if dry or name != "delete"],
)
def test_the_line_breaks_while_the_host_is_asked(lab: Lab, verb: tuple[str, ...], dry: bool) -> None:
    """PostgreSQL is asked by way of runuser."""
    machine = lab.machine
    real = machine.run("command -v runuser").stdout.strip()
    breaks = f"#!/bin/sh\nrm $0\nmv {real}.kept {real}\nexec pkill -KILL '^sshd-session'\n"
    machine.run(f"mv {real} {real}.kept && printf {shlex.quote(breaks)} > {real} && chmod 755 {real}")
    _is_told(lab, verb, dry, "the host gave no answer, as said above; see that it can be reached, then run again")


def _is_told(lab: Lab, verb: tuple[str, ...], dry: bool, said: str) -> None:
    script, *data = verb
    arguments = [word for item in data for word in ("--data", item)]
    done = lab.project.dry(*arguments, script=script) if dry else run(lab, verb)
    assert done.status != 0
    assert said in done.output, done.output
    assert "Traceback" not in done.output


def test_no_private_key_is_needed_to_rotate(lab: Lab) -> None:
    """Nor to plan it, to create and to delete: public keys are enough."""
    lab.project.data["identity"] = "/nowhere"
    lab.project.write()
    for verb in (CREATE, DELETE[:2], ROTATE):
        script, *data = verb
        dry = lab.project.dry(*(word for item in data for word in ("--data", item)), script=script)
        assert dry.status == 0, dry.output
        assert dry.changes
