"""A client of a running gateway."""

import http.client
import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass
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

    @property
    def message(self) -> str:
        """What the gateway says itself."""
        assert self.header("Content-Type") == ["application/json"]
        return str(self.json["message"])

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


def ask(
    connected: socket.socket, path: str, method: str = "GET", body: str | Iterable[bytes] | None = None, **headers: str
) -> Answer:
    """One request over a connection, which it closes; `_` in a header's name stands for a dash."""
    connection = http.client.HTTPConnection("127.0.0.1")
    connection.sock = connected
    sent = {key.replace("_", "-"): value for key, value in headers.items()}
    connection.request(method, path, body=body, headers=sent, encode_chunked=not isinstance(body, str | None))
    response = connection.getresponse()
    answer = Answer(response.status, response.getheaders(), response.read().decode())
    connection.close()
    return answer


def raw(connected: socket.socket, request: bytes) -> Answer:
    """What bytes get that http.client would not send."""
    with connected:
        connected.sendall(request)
        response = http.client.HTTPResponse(connected)
        response.begin()
        return Answer(response.status, response.getheaders(), response.read().decode())
