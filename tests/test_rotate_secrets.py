"""New secrets of an instance on one host: with continuity under load, and as a hard cut; in the order of the tests."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import jwt
import pytest

from desired.tokens import kid
from tests.api import Api
from tests.converge import Checked, converge_checked, differences, kinds
from tests.hammer import Load, load
from tests.host import Machine
from tests.lab import Lab, bare
from tests.project import ROOT, Run, clean
from tests.require import WHOLE
from tests.seen import look

ROTATE, UPDATE = "tasks/rotate_secrets.py", "tasks/update_secret.py"
NOTES = """
CREATE TABLE notes (id bigint PRIMARY KEY, body text NOT NULL);
GRANT SELECT ON notes TO anon, authenticated, service_role;
INSERT INTO notes VALUES (1, 'here');
NOTIFY pgrst, 'reload schema';
"""
#: How many requests the overlap is to see, and how long it may take on a slow machine.
REQUESTS, PATIENCE = 20_000 if WHOLE else 2_000, 400
LATER = """
from datetime import timedelta
from workstation import clock
now = clock.now
clock.now = lambda: now() + timedelta(hours={hours})
"""


@dataclass
class World:
    lab: Lab
    prod: Api

    @property
    def machine(self) -> Machine:
        return self.lab.machine

    def keys(self) -> dict[str, dict[str, str]]:
        """Headers by role: of the API keys that are current, and of a user's token signed by the current secret."""
        anon, service, secret = (self.prod.secret(kind) for kind in ("anon", "service", "jwt"))
        claims = {"role": "authenticated", "sub": "00000000-0000-0000-0000-000000000001", "exp": int(time.time()) + 3600}
        user = jwt.encode(claims, secret, algorithm="HS256", headers={"kid": kid(secret)})
        return {
            "anon": {"apikey": anon},
            "service": {"apikey": service},
            "user": {"apikey": anon, "Authorization": f"Bearer {user}"},
        }

    def send(self, client: Load, label: str, keys: dict[str, dict[str, str]], port: int) -> None:
        for role, headers in keys.items():
            client.start(f"{label} {role}", port, headers, "/rest/v1/notes?select=id")

    def run(self, script: str, *arguments: str, **keywords: str) -> Run:
        return self.lab.project.converge("--data", "instance=prod", *arguments, script=script, **keywords)

    def pids(self) -> dict[str, str]:
        units = ("supabase-prod.service", "supabase-prod-rest.service", "supabase-dev.service", "postgresql.service")
        return {unit: self.machine.run(f"systemctl show -P MainPID {unit}").stdout.strip() for unit in units}

    def status(self, headers: dict[str, str]) -> int:
        with self.prod.forward() as port:
            words = " ".join(f"-H '{name}: {value}'" for name, value in headers.items())
            command = f"curl -s -o /dev/null -w '%{{http_code}}' {words} http://127.0.0.1:{port}/rest/v1/notes?select=id"
            return int(subprocess.run(command, shell=True, capture_output=True, check=False).stdout)


@pytest.fixture(scope="module")
def world(shared_machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Prod and dev serve; prod has a table."""
    lab = bare(shared_machine, tmp_path_factory.mktemp("rotation"))
    assert lab.project.converge().status == 0
    prod = Api(lab.project, shared_machine, "prod")
    prod.psql(NOTES)
    return World(lab, prod)


class Logins(threading.Thread):
    """New connections as the owner all the while, with the newest password that is known, else the one before."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world, self.urls, self.seen, self.ended = world, [world.prod.secret("db")], Counter[str](), threading.Event()

    def run(self) -> None:
        enter = ["ip", "netns", "exec", f"sth-{self.world.machine.name}", "psql", "-XAtqwc", "SELECT 'in'"]
        while not self.ended.is_set():
            newest = self.world.prod.secret("db")
            if newest != self.urls[0]:
                self.urls.insert(0, newest)
            # Between the two the one may have taken the other's place.
            urls = [*self.urls[:2], self.urls[0]]
            tried = (subprocess.run([*enter, url], capture_output=True, text=True).stdout.strip() for url in urls)
            self.seen["in" if "in" in tried else "refused"] += 1

    def end(self) -> None:
        self.ended.set()
        self.join()


def test_every_secret_rotates_under_load_without_a_failed_request(world: World) -> None:
    before = look(world.lab.project, world.machine)
    old, pids, port = world.keys(), world.pids(), world.prod.port
    dry = world.lab.project.dry("--diff", "--data", "instance=prod", script=ROTATE)
    assert dry.status == 0, dry.output
    found = differences(before, look(world.lab.project, world.machine))
    assert not found, f"the dry run wrote something: {found}"
    assert "prod: db: new logins as the owner need the new password" in dry.output
    assert "prod: old API keys, and tokens signed by the old secret, are accepted for 24 hours more" in dry.output
    logins = Logins(world)
    logins.start()
    with load(world.machine) as client:
        world.send(client, "old", old, port)
        real = world.run(ROTATE)
        assert real.status == 0, real.output
        assert set(real.changes) == set(dry.changes), set(real.changes) ^ set(dry.changes)
        new = world.keys()
        assert all(new[role] != old[role] for role in old)
        world.send(client, "new", new, port)
        end = time.monotonic() + PATIENCE
        while client.so_far() < REQUESTS and time.monotonic() < end:
            time.sleep(0.5)
        # The plan says one thing, the second run the same: nothing is left to do.
        assert world.run(ROTATE).unchanged
        for role in old:
            client.stop(f"old {role}")
        retired = world.run(ROTATE, "--data", "retire_now=true")
        assert retired.status == 0, retired.output
        time.sleep(1)
    logins.end()
    assert client.counts is not None
    counts = client.counts
    print(f"requests {counts.total()}, rate {sum(counts.rate.values()):.0f}/s, logins {dict(logins.seen)}", counts.statuses)
    assert {label: counts.failed(label) for label in counts.statuses} == {label: {} for label in counts.statuses}
    assert counts.total() >= REQUESTS
    assert all(rate >= 10 for rate in counts.rate.values())
    assert logins.seen["in"] > 10
    assert logins.seen["refused"] == 0
    assert world.pids() == pids, "reloaded, not restarted"
    assert {role: world.status(headers) for role, headers in old.items()} == dict.fromkeys(old, 401)
    assert {role: world.status(headers) for role, headers in new.items()} == dict.fromkeys(new, 200)
    files = world.machine.run("ls /etc/nixos/supabase/secrets /run/agenix").stdout
    assert "-next" not in files
    assert "-previous" not in files
    assert "dev" not in {change.split(":")[0] for change in (*real.changes, *retired.changes)}


def test_rotating_and_updating_a_neighbour(world: World) -> None:
    """Prod serves on, with the same processes, while dev gets new secrets."""
    pids = world.pids()
    del pids["supabase-dev.service"]
    with world.lab.traffic() as prod:
        for script, data in ((ROTATE, ()), (ROTATE, ("retire_now=true",)), (UPDATE, ("secret=jwt",))):
            words = [word for item in ("instance=dev", *data) for word in ("--data", item)]
            run = world.lab.project.converge(*words, script=script)
            assert run.status == 0, run.output
    print(f"{prod.total()} requests of prod")
    assert set(prod) == {"200"}
    assert {unit: pid for unit, pid in world.pids().items() if unit in pids} == pids


def test_an_ended_window_is_closed_by_any_converge(world: World) -> None:
    old = world.keys()
    assert world.run(ROTATE, "--data", "window=3").status == 0
    assert world.status(old["anon"]) == 200
    config = world.lab.project.directory / "config.py"
    config.write_text(LATER.format(hours=2))
    assert world.lab.project.converge().unchanged
    config.write_text(LATER.format(hours=4))
    checked: Checked = converge_checked(world.lab.project, world.machine)
    config.unlink()
    assert {change for change in checked.kinds if change.startswith("prod: remove")} == {
        f"prod: remove {what}supabase-prod-{kind}-previous.age"
        for kind in ("jwt", "anon", "service")
        for what in ("", "file secrets/")
    }
    assert world.status(old["anon"]) == 401
    assert world.status(world.keys()["anon"]) == 200


@pytest.mark.parametrize(
    ("kind", "renewed"),
    [("anon", {"anon"}), ("db", {"db", "dbverifier"}), ("jwt", {"jwt", "anon", "service"})],
)
def test_a_hard_cut(world: World, kind: str, renewed: set[str]) -> None:
    old, url = world.keys(), world.prod.secret("db")
    before = look(world.lab.project, world.machine)
    dry = world.lab.project.dry("--data", "instance=prod", "--data", f"secret={kind}", script=UPDATE)
    assert not differences(before, look(world.lab.project, world.machine))
    real = world.run(UPDATE, "--data", f"secret={kind}")
    assert real.status == 0, real.output
    assert set(real.changes) == set(dry.changes)
    assert {change for change in kinds(real) if ".age" in change and "file" not in change} == {
        f"prod: update supabase-prod-{name}.age" for name in renewed
    }
    assert world.lab.project.converge().unchanged
    assert world.status(world.keys()["anon"]) == 200
    assert world.status(old["anon"]) == (200 if kind == "db" else 401)
    assert (world.prod.secret("db") != url) == (kind == "db")
    assert world.prod.psql("SELECT 1").stdout.strip() == "1"


def test_a_value_of_one_s_own(world: World) -> None:
    """Such as the signing secret of another installation, whose users stay logged in."""
    mine = "a-secret-of-another-installation-0123456789"
    real = world.run(UPDATE, "--data", "secret=jwt", "--data", "stdin=true", stdin=mine + "\n")
    assert real.status == 0, real.output
    assert mine not in real.output
    assert world.prod.secret("jwt") == mine
    claims = {"role": "authenticated", "exp": int(time.time()) + 60}
    token = jwt.encode(claims, mine, algorithm="HS256", headers={"kid": kid(mine)})
    assert world.status({**world.keys()["anon"], "Authorization": f"Bearer {token}"}) == 200


@pytest.mark.parametrize(
    ("script", "arguments", "stdin", "message"),
    [
        (UPDATE, ["secret=jwt", "stdin=true"], "too-short", "32 or more printable characters"),
        (UPDATE, ["secret=jwt", "stdin=true"], "", "it is not one line"),
        (UPDATE, ["secret=anon", "stdin=true"], "x", "anon is made from jwt: give that one"),
        (UPDATE, ["secret=nothing"], None, "no such secret; known: anon, db, dbverifier, jwt, service"),
        (UPDATE, [], None, "name the secret: --data secret=KIND; known: anon"),
        (UPDATE, ["secret=jwt", "stdin=perhaps"], None, "--data: stdin = 'perhaps': must be true or false"),
        (UPDATE, ["secret=jwt", "sectret=x"], None, "sectret: unknown key; did you mean secret?"),
        (ROTATE, ["window=0"], None, "must be a whole number of hours from 1 to 8760"),
        (ROTATE, ["window=soon"], None, "must be a whole number of hours"),
        (ROTATE, ["retire_now=1"], None, "retire_now = 1: must be true or false"),
    ],
)
def test_mistakes_touch_nothing(world: World, script: str, arguments: list[str], stdin: str | None, message: str) -> None:
    before = look(world.lab.project, world.machine)
    words = [word for argument in arguments for word in ("--data", argument)]
    run = world.lab.project.converge("--data", "instance=prod", *words, script=script, stdin=stdin)
    assert run.status != 0
    assert message in run.output
    assert not differences(before, look(world.lab.project, world.machine))


@pytest.mark.parametrize("script", [ROTATE, UPDATE])
@pytest.mark.parametrize(
    ("arguments", "message"), [([], "name the instance"), (["--data", "instance=nobody"], "no host has this instance")]
)
def test_an_instance_must_be_named(world: World, script: str, arguments: list[str], message: str) -> None:
    run = world.lab.project.converge(*arguments, script=script)
    assert run.status != 0
    assert message in run.output


@pytest.mark.parametrize(("typed", "done"), [("n\n", False), ("", False), ("y\n", True)], ids=["no", "end of input", "yes"])
def test_the_recipe_asks_and_says_by_its_status_whether_it_was_done(world: World, typed: str, done: bool) -> None:
    programs, before = Path(sys.executable).parent, world.prod.secret("anon")
    shutil.copy(ROOT / "justfile", world.lab.project.directory)
    run = subprocess.run(
        [str(programs / "just"), "supabase-update-secret", "prod", "anon"],
        cwd=world.lab.project.directory,
        env=world.lab.project.environment({"PATH": f"{programs}:{os.environ['PATH']}"}),
        input=typed,
        capture_output=True,
        text=True,
        check=False,
    )
    (world.lab.project.directory / "justfile").unlink()
    assert (run.returncode == 0) is done, run.stdout + run.stderr
    assert (world.prod.secret("anon") != before) is done
    assert "prod: update supabase-prod-anon.age" in clean(run.stdout + run.stderr)


def test_nothing_is_retired_that_the_host_has_not_run_beside_the_new(world: World) -> None:
    """The switch is in the files, but the host is not reached any more: even after the window it first runs with both."""
    old = world.keys()
    points = world.lab.project.directory / "points"
    assert world.lab.killed(0, "--data", "instance=prod", script=ROTATE, points=points).status == 0
    assert world.run(ROTATE, "--data", "retire_now=true").status == 0
    old = world.keys()
    lines = points.read_text().splitlines()
    points.unlink()
    # The journal of the second stage has just been carried out; nothing of it has reached the host.
    journals = [number for number, line in enumerate(lines, 1) if line == "after remove secrets/.pending-prod.json"]
    run = world.lab.killed(journals[1], "--data", "instance=prod", script=ROTATE)
    assert run.status == -9, run.output
    config = world.lab.project.directory / "config.py"
    config.write_text(LATER.format(hours=48))
    first = world.lab.project.converge()
    assert first.status == 0, first.output
    assert world.status(old["anon"]) == 200, "accepted beside the new one, which the host had not had"
    assert world.status(world.keys()["anon"]) == 200
    assert world.lab.project.converge().status == 0
    config.unlink()
    assert world.status(old["anon"]) == 401
    assert world.lab.project.converge().unchanged
