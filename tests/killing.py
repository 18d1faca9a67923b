"""A verb killed at each boundary between its steps and started again: it converges, and nothing is lost.

The boundaries are what a run that is not killed comes to: commands on the host, and files of the project put in place. (Every
single file operation on secrets is killed in test_secret_crash.py.)
"""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.api import Api
from tests.lab import Lab
from tests.project import Run
from tests.require import WHOLE

#: Unless all are tried, every so manieth.
EVERY = 6

#: Written one after the other without anything in between that could be half done.
_SINGLE_SECRETS = re.compile(r"after (write|remove) secrets/(?!\.pending)")


@dataclass(frozen=True)
class Verb:
    """A deploy file with its `--data`."""

    script: str
    data: tuple[str, ...]

    def arguments(self, name: str) -> tuple[str, ...]:
        return tuple(word for item in (f"instance={name}", *self.data) for word in ("--data", item))


@dataclass
class Killing:
    """A lab with verbs that are killed; `found`: how many points there are, `tried`: at how many of them."""

    lab: Lab
    found: int = 0
    tried: int = 0

    def run(self, verb: Verb, name: str) -> Run:
        return self.lab.project.converge(*verb.arguments(name), script=verb.script)

    def boundaries(self, what: str, verb: Verb, name: str, directory: Path) -> list[tuple[int, str]]:
        """The points of a run that goes through, without those that leave exactly what the point before left."""
        log = directory / f"{what}.points"
        done = self.lab.killed(0, *verb.arguments(name), script=verb.script, points=log)
        assert done.status == 0, done.output
        found = [(number, line) for number, line in enumerate(log.read_text().splitlines(), 1)]
        whole = [(number, line) for number, line in found if line.startswith("after ") and not _SINGLE_SECRETS.match(line)]
        self.found += len(whole)
        return whole if WHOLE else whole[self.found % EVERY :: EVERY]

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

    def settled(self) -> None:
        """No plaintext is left anywhere, and nothing is left to do."""
        assert self.plaintexts() == []
        assert self.lab.project.converge().unchanged

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


    def in_turn(self, there: Verb, back: Verb, name: str, directory: Path) -> None:
        """Two verbs of which one undoes the other, killed in turn at each of their boundaries."""
        forward, backward = self.boundaries("there", there, name, directory), self.boundaries("back", back, name, directory)
        print(f"\n{there.script} {forward}\n{back.script} {backward}")
        for index in range(max(len(forward), len(backward))):
            for verb, points in ((there, forward), (back, backward)):
                if index < len(points):
                    self.killed(points[index], verb, name)
                else:
                    done = self.run(verb, name)
                    assert done.status == 0, done.output
            self.settled()
