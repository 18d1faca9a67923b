"""A client of a running gateway."""

import http.client
import json
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What a client gets."""

    status: int
    headers: list[tuple[str, str]]
    body: str

    @property
    def json(self) -> Any:
        """The body, which every answer of the gateway has in JSON."""
        return json.loads(self.body)

    def header(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def seen(self) -> dict[str, list[str]]:
        """The headers the service behind the gateway saw."""
        found: dict[str, list[str]] = {}
        for key, value in self.json["headers"]:
            found.setdefault(key.lower(), []).append(value)
        return found


@dataclass
class Gateway:
    """A running gateway below a directory."""

    directory: Path
    port: int
    compose: list[str]
    nginx: "subprocess.Popen[bytes]"
    journal: socket.socket
    logged: list[str] = field(default_factory=list)

    @property
    def socket(self) -> Path:
        """Where the gateway looks for PostgREST."""
        return self.directory / "run/supabase/prod/rest/rest.sock"

    def ask(self, path: str, method: str = "GET", body: Any = None, **headers: str) -> Answer:
        """One request; `_` in a header's name stands for a dash."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        connection.request(method, path, body=body, headers=sent, encode_chunked=not isinstance(body, str | None))
        response = connection.getresponse()
        answer = Answer(response.status, response.getheaders(), response.read().decode())
        connection.close()
        return answer

    def log(self) -> list[str]:
        """Every line of the gateway that reached the journal."""
        time.sleep(0.1)
        while True:
            try:
                self.logged.append(self.journal.recv(65536).decode())
            except BlockingIOError:
                return self.logged

    def reload(self) -> None:
        """What ExecReload does."""
        subprocess.run(self.compose, check=True)
        self.nginx.send_signal(signal.SIGHUP)
        time.sleep(0.3)


def free_port() -> int:
    """A loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
