"""An instance as its users reach it: HTTP through its gateway by way of an SSH port forward, psql as its owner."""

import http.client
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.host import Machine
from tests.project import Project

# psql reads the password from a file that is gone when it ends; the statements follow it on stdin.
_PSQL = """
umask 077
file=$(mktemp /run/pass.XXXXXX)
trap 'rm -f "$file"' EXIT
IFS= read -r line
printf '%s\\n' "$line" > "$file"
PGPASSFILE=$file psql -X -w -v ON_ERROR_STOP=1 -v VERBOSITY=terse -qtA -h localhost -U {user} -d {database} -f -
"""


@dataclass(frozen=True)
class Answer:
    """`body`: parsed JSON, None where there is none."""

    status: int
    body: Any


@dataclass(frozen=True)
class Api:
    """Instance `name` of the project on its machine."""

    project: Project
    machine: Machine
    name: str

    def secret(self, kind: str) -> str:
        """The value in the project's .age file, opened with the operator's key."""
        path = self.project.directory / f"secrets/supabase-{self.name}-{kind}.age"
        command = ["age", "-d", "-i", str(self.project.operator.private), str(path)]
        return subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout.strip()

    @property
    def port(self) -> int:
        """The gateway's, as the host's instance file has it."""
        text = self.machine.run(f"cat /etc/nixos/supabase/instances/{self.name}.json").stdout
        return int(json.loads(text)["port"])

    @contextmanager
    def forward(self) -> Iterator[int]:
        """A local port that leads to the gateway."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            local = int(free.getsockname()[1])
        ssh, *options = self.machine.connection.command()
        # OpenSSH takes the first value of an option: a connection of its own
        own = ["-oControlMaster=no", "-oControlPath=none", "-oExitOnForwardFailure=yes", "-N"]
        command = [ssh, *own, "-L", f"127.0.0.1:{local}:127.0.0.1:{self.port}", *options]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
            try:
                _wait_for(local)
                yield local
            finally:
                # not terminate: OpenSSH may miss that before it waits, and Debian's wakes only after five minutes
                process.kill()

    def psql(self, sql: str, check: bool = True, database: str = "") -> "subprocess.CompletedProcess[str]":
        """Run statements over TCP as the owner, with the password of the instance's URL."""
        url = urlsplit(self.secret("db"))
        # pg_hba wants localhost, and a colon or backslash would need an escape in the file: the password is hex
        line = f"localhost:*:*:{url.username}:{url.password}\n"
        command = _PSQL.format(user=url.username, database=database or url.path.lstrip("/"))
        return self.machine.run(command, stdin=line + sql, check=check)

    @contextmanager
    def session(self) -> Iterator["Session"]:
        """A psql session of the owner that stays open."""
        url = urlsplit(self.secret("db"))
        command = _PSQL.format(user=url.username, database=url.path.lstrip("/"))
        process = subprocess.Popen(
            [*self.machine.connection.command(), command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with process:
            session = Session(process)
            session.send(f"localhost:*:*:{url.username}:{url.password}")
            yield session
            if process.stdin:
                process.stdin.close()


@dataclass(frozen=True)
class Session:
    """An open psql."""

    process: "subprocess.Popen[str]"

    def send(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def ask(self, sql: str) -> str:
        """The one line that a statement gives."""
        assert self.process.stdout is not None
        self.send(sql)
        return self.process.stdout.readline().strip()


@dataclass(frozen=True)
class Client:
    """Requests over one kept connection."""

    connection: http.client.HTTPConnection

    def ask(
        self, path: str, key: str | None = None, method: str = "GET", body: object = None, token: str | None = None
    ) -> Answer:
        """`key`: the API key; `token`: a user's, in place of the key's own right."""
        headers = {"Content-Type": "application/json", "Prefer": "return=representation"}
        if key is not None:
            headers["apikey"] = key
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        self.connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = self.connection.getresponse()
        text = answer.read()
        return Answer(answer.status, json.loads(text) if text else None)


@contextmanager
def client(port: int) -> Iterator[Client]:
    """A client of a local port."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        yield Client(connection)
    finally:
        connection.close()


def _wait_for(port: int) -> None:
    end = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
