"""A user's project with a host, an operator and a secrets directory, as the tests of secrets need it."""

import hashlib
import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from desired.errors import Stop
from desired.estate import Host
from desired.instance import Instance
from desired.renewal import NOTHING, Renewal
from desired.sources import HostInput, Layer
from desired.validation import validate
from tests.keys import KeyPair, keypair
from workstation.secret_store import SecretStore


@dataclass(frozen=True)
class SecretProject:
    path: Path
    operator: KeyPair
    server: KeyPair
    names: tuple[str, ...] = ("dev", "prod")
    operators: tuple[str, ...] = ()
    postgresql_port: int = 5432
    defaults: Mapping[str, Any] = field(default_factory=lambda: {"profile": "api"})

    @property
    def host(self) -> Host:
        data: dict[str, Any] = {
            "domain": "example.org",
            "operators": self.operators or (self.operator.public,),
            "postgresql_port": self.postgresql_port,
            "capacity": max(10, len(self.names)),
            "instances": {name: {} for name in self.names},
            "instance_defaults": dict(self.defaults),
        }
        source = HostInput("server", (Layer("group_data/all.py", data),), self.server.public)
        return validate([source], {}).hosts[0]

    @property
    def store(self) -> SecretStore:
        return SecretStore(self.path, "secrets", str(self.operator.private))

    @property
    def directory(self) -> Path:
        return self.path / "secrets"

    def instances(self, renewal: Renewal = NOTHING) -> tuple[Instance, ...]:
        """With the generations that such a run leaves."""
        return self.store.rotating(self.host.instances, renewal)

    def instance(self, name: str) -> Instance:
        return next(instance for instance in self.host.instances if instance.name == name)

    def deploy(self, renewal: Renewal = NOTHING) -> list[str]:
        """Plan and apply, as a run does; the changes as text."""
        plan = self.store.plan(self.host, self.instances(renewal), renewal)
        self.store.apply(plan)
        return [str(change) for change in plan.changes]

    def planned(self) -> list[str]:
        return [str(change) for change in self.store.plan(self.host, self.instances()).changes]

    def adopt(self, name: str) -> list[str]:
        return [str(change) for change in self.store.adopt(self.host, self.instance(name))]

    def with_operators(self, *operators: str) -> "SecretProject":
        return replace(self, operators=operators)

    def with_defaults(self, **defaults: Any) -> "SecretProject":
        """Other instance_defaults."""
        return replace(self, defaults=defaults)

    def values(self) -> dict[str, str]:
        """Every secret's plaintext by its name."""
        return {path.stem: self.store.open(path.stem) for path in sorted(self.directory.glob("*.age"))}

    def files(self) -> dict[str, bytes]:
        """Everything in the secrets directory, hidden files too."""
        return {path.name: path.read_bytes() for path in sorted(self.directory.iterdir())} if self.directory.exists() else {}

    def stops(self, run: Callable[[], object], *words: str) -> str:
        """That `run` stops with a message of these words, changes no file, and gives no plaintext away."""
        before, values = self.files(), self.readable()
        with pytest.raises(Stop) as caught:
            run()
        told = "".join(traceback.format_exception(caught.value, chain=True)) + repr(caught.value)
        for value in values:
            assert value not in told
        for word in words:
            assert word in str(caught.value)
        assert self.files() == before
        return str(caught.value)

    def readable(self) -> set[str]:
        """Plaintexts of the files that open, and the password within."""
        values = set()
        for path in self.directory.glob("*.age"):
            try:
                values.add(self.store.open(path.stem))
            except Stop:
                continue
        return values | {value.split(":")[2].split("@")[0] for value in values if value.startswith("postgresql://")}


def secret_project(path: Path, *names: str) -> SecretProject:
    keys = path / "keys"
    (path / "project").mkdir(parents=True)
    project = SecretProject(path / "project", keypair(keys, "operator"), keypair(keys, "server"))
    return replace(project, names=names) if names else project


def tree_digest(path: Path) -> str:
    """One digest of every file's name, mode and content below a directory."""
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")):
        digest.update(f"{file.relative_to(path)} {file.stat().st_mode}".encode())
        digest.update(file.read_bytes() if file.is_file() else b"")
    return digest.hexdigest()


@contextmanager
def quick_directory(otherwise: Path) -> Iterator[Path]:
    """A directory in memory where there is one: for tests that sync files thousands of times."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield otherwise
        return
    with TemporaryDirectory(dir=memory) as name:
        yield Path(name)


def forked(run: Callable[[], object]) -> int:
    """Exit status of a child process that did this: 0 done, 1 an exception (printed), whatever it exits with else."""
    pid = os.fork()
    if pid == 0:
        try:
            run()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
