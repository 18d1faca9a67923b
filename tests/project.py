"""A user's project in a temporary directory: this repository's code, with an inventory and group_data of its own."""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pprint import pformat
from typing import Any, get_args

from desired.changes import Verb
from tests import warm
from tests.host import Machine
from tests.keys import KeyPair

ROOT = Path(__file__).parent.parent
_CODE = ("deploy.py", "desired", "facts", "operations", "reports", "tasks", "templates", "workstation")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
# pyinfra pads the host's name where there are several
_CHANGE = re.compile(rf"^\s*\[(?P<host>[^\]]+)\] +[+~-] (?P<change>\w+: ({'|'.join(get_args(Verb))}) .*)$")
_SUCCESS = re.compile(r"^\s*\[[^\]]+\] +Success", re.MULTILINE)


def clean(output: str) -> str:
    """A run's output without colours."""
    return _ANSI.sub("", output)


@dataclass(frozen=True)
class Run:
    """One pyinfra run. `output` has both streams, without colours."""

    status: int
    output: str

    @property
    def changes(self) -> list[str]:
        """The announced changes, `prod: create role supabase_prod`, in the order of their first announcement."""
        found = (_CHANGE.match(line) for line in self.output.splitlines())
        return list(dict.fromkeys(match["change"] for match in found if match))

    def of(self, verb: str) -> set[str]:
        """The changes of one verb: `start` gives {"prod: start supabase-prod.service", ...}."""
        return {change for change in self.changes if change.split(": ", 1)[1].startswith(verb + " ")}

    @property
    def unchanged(self) -> bool:
        """Whether pyinfra reports success and no operation that did anything."""
        return self.status == 0 and not self.changes and not _SUCCESS.search(self.output)


@dataclass
class Project:
    """`hosts`: inventory name to host data; `data`: the keys of their group's file. `cold`: each run starts as a user starts it,
    not from a process that is warm."""

    directory: Path
    hosts: dict[str, dict[str, Any]]
    data: dict[str, Any]
    operator: KeyPair
    cold: bool = False

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        for name in _CODE:
            if not (self.directory / name).exists():
                (self.directory / name).symlink_to(ROOT / name)
        (self.directory / "group_data").mkdir(exist_ok=True)
        self.write()

    def write(self) -> None:
        """Bring inventory.py and group_data to `hosts` and `data`."""
        imports = "from operations.transport import no_delay\n\n"
        hosts = [(name, {**data, "ssh_paramiko_connect_kwargs": "no_delay"}) for name, data in self.hosts.items()]
        text = pformat(hosts).replace("'no_delay'", "{'transport_factory': no_delay}")
        (self.directory / "inventory.py").write_text(f"{imports}lab = {text}\n")
        lines = [f"{key} = {pformat(value)}\n" for key, value in self.data.items()]
        (self.directory / "group_data/lab.py").write_text("".join(lines))

    def pyinfra(
        self,
        *arguments: str,
        script: str = "deploy.py",
        inventory: str = "inventory.py",
        timeout: float = 300,
        stdin: str | None = None,
        env: Mapping[str, str] = {},
    ) -> Run:
        """`pyinfra INVENTORY SCRIPT ARGUMENTS`. stdin None is /dev/null: without -y or --dry pyinfra then stops."""
        command = self.command(script, *arguments, inventory=inventory)
        start = warm.cold if self.cold else warm.run
        done = start(command, self.directory, self.environment(env), stdin or "", timeout)
        return Run(done.returncode, clean(done.stdout))

    def command(self, script: str, *arguments: str, inventory: str = "inventory.py") -> list[str]:
        return [str(Path(sys.executable).parent / "pyinfra"), inventory, script, *arguments]

    def environment(self, env: Mapping[str, str] = {}) -> dict[str, str]:
        return {**os.environ, "PYINFRA_PROGRESS": "off", "XDG_CACHE_HOME": str(self.directory.parent / "cache"), **env}

    def reread(self) -> None:
        """Bring `data` to what a run has made of group_data."""
        text = (self.directory / "group_data/lab.py").read_text()
        values: dict[str, Any] = {}
        exec(compile(text, "lab.py", "exec"), values)
        self.data = {key: value for key, value in values.items() if not key.startswith("__")}

    def dry(self, *arguments: str, **keywords: Any) -> Run:
        return self.pyinfra("--dry", *arguments, **keywords)

    def converge(self, *arguments: str, **keywords: Any) -> Run:
        return self.pyinfra("-y", *arguments, **keywords)

    def files(self) -> dict[str, bytes]:
        """Every file of the user's own state, locks aside: relative path to content."""
        found = {}
        for path in sorted(self.directory.rglob("*")):
            if path.is_file() and not path.is_symlink() and not path.name.endswith(".lock"):
                name = path.relative_to(self.directory)
                if name.parts[0] not in _CODE:
                    found[str(name)] = path.read_bytes()
        return found


def on_machines(
    directory: Path, machines: Sequence[Machine], instances: Mapping[str, Any], operator: KeyPair, **data: Any
) -> Project:
    """A project whose group `lab` has these machines; each knows its host key from the machine's own known_hosts. Without
    `data` that says more, instances have the REST API alone and nothing serves their domains."""
    hosts = {machine.ip: machine.pyinfra_data() for machine in machines}
    values = {
        "domain": "example.org",
        "operators": [operator.public],
        "identity": str(operator.private),
        "edge": "none",
        "instance_defaults": {"profile": "api"},
    }
    return Project(directory, hosts, {**values, "instances": dict(instances), **data}, operator)
