"""Gateways as the module's units start them: nginx in a network namespace, its public socket held outside by whoever plays
systemd, the services' stand-ins beside it."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.nix.evaluation import Json
from tests.nix.gateway.client import Answer, ask, raw
from tests.nix.gateway.network import inside, namespace
from tests.nix.rendered import gateway_configuration, section


@dataclass
class Gateway:
    """A running gateway with /run and /dev/log moved below a directory."""

    directory: Path
    system: Json
    name: str
    network: Path
    #: What systemd holds of supabase-<name>.socket
    public: socket.socket
    journal: socket.socket = field(init=False)
    nginx: "subprocess.Popen[bytes]" = field(init=False)
    logged: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Prepares what systemd prepares."""
        self.run.mkdir(parents=True)
        self.journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.journal.bind(str(self.directory / "log"))
        self.journal.setblocking(False)

    @property
    def run(self) -> Path:
        """The gateway's runtime directory."""
        return self.directory / f"run/supabase/{self.name}/gateway"

    @property
    def port(self) -> int:
        """The public port."""
        return int(self.public.getsockname()[1])

    @property
    def inner(self) -> int:
        """The port within the namespace."""
        listeners = map(int, re.findall(r"listen 127\.0\.0\.1:(\d+);", self.configuration))
        (inner,) = {*listeners} - {self.port}
        return inner

    @property
    def configuration(self) -> str:
        """nginx.conf as rendered."""
        return gateway_configuration(self.system, self.name)

    def secret(self, kind: str, value: str) -> None:
        """What agenix decrypts."""
        path = self.directory / f"run/agenix/supabase-{self.name}-{kind}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value + "\n")

    def start(self) -> None:
        """ExecStartPre, then ExecStart with the public socket as file 3."""
        *composers, test = section(self._unit, "ExecStartPre")
        self.compose(composers)
        checked = subprocess.run(self._entered(test), capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, "")
        (start,) = section(self._unit, "ExecStart")
        (files,) = section(self._unit, "LimitNOFILE")
        handed = f'exec 3<&{self.public.fileno()}; ulimit -n {files}; exec "$@"'
        with (self.directory / "stderr").open("ab") as stderr:
            self.nginx = subprocess.Popen(
                ["bash", "-c", handed, "bash", *self._entered(start)], stderr=stderr, pass_fds=[self.public.fileno()]
            )
        self._until(self.workers)

    def compose(self, composers: list[str]) -> None:
        """Runs the scripts that compose runtime material."""
        for composer in composers:
            subprocess.run(["/bin/bash", self._moved(composer.lstrip("+"))], check=True)

    def reload(self) -> None:
        """ExecReload, until the new worker runs and the old one takes nothing more."""
        *composers, test, _ = section(self._unit, "ExecReload")
        self.compose(composers)
        subprocess.run(self._entered(test), check=True)
        before = self.workers()
        self.nginx.send_signal(signal.SIGHUP)
        self._until(lambda: self.workers() - before and all(map(_finishes, self.workers() & before)))

    def stop(self) -> None:
        """As systemd stops it: KillSignal, then, if need be, KILL."""
        (number,) = section(self._unit, "KillSignal")
        self.nginx.send_signal(getattr(signal, number))
        try:
            self.nginx.wait(5)
        except subprocess.TimeoutExpired:
            subprocess.run(["kill", "-KILL", *map(str, self.workers()), str(self.nginx.pid)], check=True)
            self.nginx.wait()

    def workers(self) -> set[int]:
        """Process ids of nginx's workers, those that finish included."""
        return {int(p) for p in Path(f"/proc/{self.nginx.pid}/task/{self.nginx.pid}/children").read_text().split()}

    def connect(self) -> socket.socket:
        """A connection to the public socket."""
        return socket.create_connection(("127.0.0.1", self.port), 10)

    def connect_inside(self, port: int) -> socket.socket:
        """A connection within the namespace."""
        with inside(self.network):
            return socket.create_connection(("127.0.0.1", port), 10)

    def ask(self, path: str, method: str = "GET", body: str | Iterable[bytes] | None = None, **headers: str) -> Answer:
        """One request to the public socket."""
        return ask(self.connect(), path, method, body, **headers)

    def ask_inside(self, path: str, **headers: str) -> Answer:
        """One request to the listener that Studio uses."""
        return ask(self.connect_inside(self.inner), path, **headers)

    def raw(self, request: bytes) -> Answer:
        """What bytes get."""
        return raw(self.connect(), request)

    def log(self) -> list[str]:
        """Every line of the gateway that reached the journal."""
        time.sleep(0.1)
        while True:
            try:
                self.logged.append(self.journal.recv(65536).decode())
            except BlockingIOError:
                return self.logged

    @property
    def _unit(self) -> str:
        unit: str = self.system["units"][f"supabase-{self.name}.service"]
        return unit

    def _entered(self, command: str) -> list[str]:
        """A command line of the unit in the namespace, as the user that runs the tests."""
        words = command.replace(" /run/", f" {self.directory}/run/").split()
        words[words.index("-c") + 1] = self._moved(words[words.index("-c") + 1])
        # Started by root nginx would change to nobody; the unit starts it as its own user.
        return ["nsenter", f"--net={self.network}", *words, "-g", "user root;"]

    def _moved(self, path: str) -> str:
        text = Path(path).read_text().replace("/dev/log", f"{self.directory}/log")
        text = re.sub("(?<=[ :'])/run/", f"{self.directory}/run/", text)
        text = text.replace(f"supabase-{self.name}:supabase-{self.name}", f"{os.getuid()}:{os.getgid()}")
        copy = self.directory / Path(path).name
        copy.write_text(text)
        return str(copy)

    def _until(self, happened: Callable[[], object]) -> None:
        for _ in range(200):
            if happened():
                return
            time.sleep(0.02)
        pytest.fail((self.directory / "stderr").read_text() or "nginx does not come up")


def _finishes(worker: int) -> bool:
    try:
        return "shutting down" in Path(f"/proc/{worker}/cmdline").read_text()
    except OSError:
        return True


def stand_ins(services: dict[str, int | Path]) -> list[str]:
    """The program that plays these services."""
    program = str(Path(__file__).with_name("services.py"))
    return [sys.executable, program, *(f"{name}={address}" for name, address in services.items())]


@contextmanager
def gateway(directory: Path, system: Json, name: str, port: int, secrets: dict[str, str]) -> Iterator[Gateway]:
    """The gateway of an instance while the block runs, with stand-ins of all services at their places."""
    rest = directory / f"run/supabase/{name}/rest/rest.sock"
    rest.parent.mkdir(parents=True)
    ports: dict[str, int | Path] = {"auth": 9999, "storage": 5000, "realtime": 4000, "meta": 8080, "studio": 3000}
    with namespace(stand_ins(ports | {"rest": rest})) as network, socket.socket() as public:
        public.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        public.bind(("127.0.0.1", port))
        public.listen(4096)
        running = Gateway(directory, system, name, network, public)
        for kind, value in secrets.items():
            running.secret(kind, value)
        running.start()
        try:
            yield running
        finally:
            running.stop()
            running.journal.close()
