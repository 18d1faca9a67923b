"""Every verb, killed at each boundary between its steps and started again: it converges, and nothing is lost.

The boundaries are what a run that is not killed comes to: commands on the host, and files of the project put in place. (Every
single file operation on secrets is killed in test_secret_crash.py.)
"""

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.api import Api
from tests.host import Machine
from tests.lab import Lab, bare
from tests.project import Run

#: How many points there must be over all verbs.
LEAST = 40
#: Written one after the other without anything in between that could be half done.
_SINGLE_SECRETS = re.compile(r"after (write|remove) secrets/(?!\.pending)")


@dataclass(frozen=True)
class Verb:
    """A deploy file with its `--data`."""

    script: str
    data: tuple[str, ...]

    def arguments(self, name: str) -> tuple[str, ...]:
        return tuple(word for item in (f"instance={name}", *self.data) for word in ("--data", item))


CREATE = Verb("tasks/create.py", ())
DELETE = Verb("tasks/delete.py", ("confirm=extra",))
UPDATE = Verb("tasks/update_secret.py", ("secret=jwt",))
ROTATE = Verb("tasks/rotate_secrets.py", ())
RETIRE = Verb("tasks/rotate_secrets.py", ("retire_now=true",))
DEPLOY = Verb("deploy.py", ())


@dataclass
class World:
    lab: Lab
    points: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    tried: int = 0

    def run(self, verb: Verb, name: str) -> Run:
        return self.lab.project.converge(*verb.arguments(name), script=verb.script)

    def boundaries(self, what: str, verb: Verb, name: str, directory: Path) -> list[tuple[int, str]]:
        """The points of a run that goes through, without those that leave exactly what the point before left."""
        log = directory / f"{what}.points"
        done = self.lab.killed(0, *verb.arguments(name), script=verb.script, points=log)
        assert done.status == 0, done.output
        found = [(number, line) for number, line in enumerate(log.read_text().splitlines(), 1)]
        self.points[what] = [(n, line) for n, line in found if line.startswith("after ") and not _SINGLE_SECRETS.match(line)]
        return self.points[what]

    def killed(self, point: tuple[int, str], verb: Verb, name: str) -> None:
        """Killed there and started again, all is well."""
        number, line = point
        run = self.lab.killed(number, *verb.arguments(name), script=verb.script)
        assert run.status == -9, (line, run.output)
        done = self.run(verb, name)
        assert done.status == 0, (line, done.output)
        self.tried += 1
        self.check(line)

    def check(self, line: str) -> None:
        self.lab.project.reread()
        names = sorted(self.lab.project.data["instances"])
        for name in names:
            inside = Api(self.lab.project, self.lab.machine, name).psql("SELECT 'in'", check=False)
            assert inside.stdout.strip() == "in", (line, name, inside.stderr)
        assert self.lab.serves() == dict.fromkeys(names, "200"), line
        assert not self.lab.armed(), line
        left = [path.name for path in self.lab.project.directory.rglob(".*") if path.suffix in (".tmp", ".json")]
        assert not left, (line, left)
        assert self.plaintexts() == [], line
        assert self.lab.project.converge().unchanged, line

    def plaintexts(self) -> list[str]:
        """Files outside the places of decrypted secrets that hold one, on the machine and in the project."""
        key = str(self.lab.project.operator.private)
        values = [
            subprocess.run(["age", "-d", "-i", key, str(path)], capture_output=True, text=True, check=True).stdout.strip()
            for path in sorted((self.lab.project.directory / "secrets").glob("*.age"))
        ]
        search = "grep -rlsF -f - --exclude-dir=agenix.d --exclude-dir=supabase /run /tmp /var/tmp /root /etc/nixos || true"
        there = self.lab.machine.run(search, stdin="\n".join(values) + "\n").stdout.split()
        search_here = ["grep", "-rlsF", "-f", "-", str(self.lab.project.directory)]
        here = subprocess.run(search_here, input="\n".join(values) + "\n", capture_output=True, text=True, check=False)
        return [*there, *here.stdout.split()]


@pytest.fixture(scope="module")
def world(shared_machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> World:
    made = bare(shared_machine, tmp_path_factory.mktemp("killed"))
    assert made.project.converge().status == 0
    return World(made)


def test_the_search_finds_a_planted_value(world: World) -> None:
    value = Api(world.lab.project, world.lab.machine, "dev").secret("service")
    world.lab.machine.run("cat > /run/planted", stdin=value)
    (world.lab.project.directory / "planted").write_text(value)
    assert len(world.plaintexts()) == 2
    world.lab.machine.run("rm /run/planted")
    (world.lab.project.directory / "planted").unlink()
    assert world.plaintexts() == []


def test_create_and_delete(world: World, tmp_path: Path) -> None:
    create = world.boundaries("create", CREATE, "extra", tmp_path)
    delete = world.boundaries("delete", DELETE, "extra", tmp_path)
    for index in range(max(len(create), len(delete))):
        if index < len(create):
            world.killed(create[index], CREATE, "extra")
        else:
            assert world.run(CREATE, "extra").status == 0
        if index < len(delete):
            world.killed(delete[index], DELETE, "extra")
        else:
            assert world.run(DELETE, "extra").status == 0
        assert "extra" not in world.lab.machine.run("ls /etc/nixos/supabase/instances /var/lib/supabase").stdout
    print({"create": create, "delete": delete})


def test_rotate_and_retire(world: World, tmp_path: Path) -> None:
    rotate = world.boundaries("rotate", ROTATE, "dev", tmp_path)
    retire = world.boundaries("retire", RETIRE, "dev", tmp_path)
    for index in range(max(len(rotate), len(retire))):
        if index < len(rotate):
            world.killed(rotate[index], ROTATE, "dev")
        else:
            assert world.run(ROTATE, "dev").status == 0
        if index < len(retire):
            world.killed(retire[index], RETIRE, "dev")
        else:
            assert world.run(RETIRE, "dev").status == 0
    print({"rotate": rotate, "retire": retire})


def test_update_secret(world: World, tmp_path: Path) -> None:
    for point in world.boundaries("update", UPDATE, "dev", tmp_path):
        world.killed(point, UPDATE, "dev")
    print(world.points["update"])


def test_there_were_enough(world: World) -> None:
    print(f"{world.tried} points: { {verb: len(points) for verb, points in world.points.items()} }")
    assert world.tried >= LEAST
