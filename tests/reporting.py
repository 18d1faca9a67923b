"""`just supabase-status` as a user runs it, and the plan of a deploy beside it."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests import warm
from tests.host import Machine
from tests.project import Project, Run

_SESSION = re.compile(r"Starting session: (\S+)")


@dataclass(frozen=True)
class Said:
    """One run of a report."""

    status: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.stdout)
        assert found["version"] == 1
        assert self.status == (0 if found["state"] in ("healthy", "off") else 1)
        return found

    def host(self, name: str) -> dict[str, Any]:
        return next(host for host in self.document["hosts"] if host["name"] == name)

    def instance(self, name: str) -> dict[str, Any]:
        return next(item for host in self.document["hosts"] for item in host["instances"] if item["name"] == name)

    @property
    def pending(self) -> set[str]:
        """What a deploy would change, in the words of its dry run."""
        hosts = self.document["hosts"]
        texts = [("host", text) for host in hosts for text in host["pending"] or ()]
        texts += [(item["name"], text) for host in hosts for item in host["instances"] for text in item["pending"] or ()]
        return {f"{name}: {text}" for name, text in texts}


def report(project: Project, module: str, *arguments: str, timeout: float = 120) -> Said:
    """`python -m reports.MODULE ARGUMENTS` in the project."""
    command = ["-m", f"reports.{module}", *arguments]
    done = warm.run(command, project.directory, project.environment(), timeout=timeout, apart=True)
    return Said(done.returncode, done.stdout, done.stderr)


def status(project: Project, *arguments: str) -> Said:
    said = report(project, "status", "--json", *arguments)
    assert said.stderr == ""
    return said


def same_plan(project: Project, said: Said) -> Run:
    """That a deploy's dry run announces what the report says is pending; gives that run."""
    dry = project.dry()
    assert dry.status == 0, dry.output
    assert said.pending == set(dry.changes), f"in one of them only: {said.pending ^ set(dry.changes)}"
    return dry


@contextmanager
def sessions(machine: Machine) -> Iterator[list[str]]:
    """What sshd starts while the block runs, as its own log tells: connections and commands."""
    kept: list[str] = []
    machine.connection.close()
    logged = "/etc/ssh/sshd_config.d/00-verbose.conf"
    machine.console(f"echo 'LogLevel VERBOSE' > {logged}; systemctl reload ssh; journalctl --rotate --vacuum-size=1 -q")
    try:
        yield kept
    finally:
        log = machine.console(f"rm {logged}; systemctl reload ssh; journalctl --no-pager -o cat -t sshd -t sshd-session").stdout
        kept += ["connection"] * log.count("Connection from ")
        kept += _SESSION.findall(log)
