"""What passes through: bodies, answers, large files; and what is said when nobody answers."""

import http.client
import json
import os
import re
import socket
import time
import zlib
from pathlib import Path

import pytest

from tests.nix.gateway.client import Answer
from tests.nix.gateway.keys import ANON
from tests.nix.gateway.running import Gateway

MIB = 1 << 20


@pytest.mark.parametrize("place", ["rest", "auth", "storage"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_bodies_pass(gateway: Gateway, place: str, method: str) -> None:
    """With a length and in chunks, larger than the gateway's buffers."""
    text = json.dumps(["x" * 1000] * 200)
    assert gateway.ask(f"/{place}/v1/x", method, text, apikey=ANON).json["body"] == text
    chunks = (part.encode() for part in (text[:500], text[500:]))
    assert gateway.ask(f"/{place}/v1/x", method, chunks, apikey=ANON).json["body"] == text


def test_answers_of_the_service_pass(gateway: Gateway) -> None:
    """Its refusals are its own, its redirects lead where it says, HEAD has no body, unicode survives."""
    for status in (401, 404, 409, 413, 500, 503, 504):
        answer = gateway.ask("/rest/v1/x", apikey=ANON, X_Answer_Status=str(status))
        assert (answer.status, answer.json["path"]) == (status, "/x")
    for target in ("https://app.example/#access_token=" + "x" * 20000, "http://auth/verify", "/relative"):
        answer = gateway.ask("/auth/v1/verify", X_Answer_Status="303", X_Answer_Header=f"Location: {target}")
        assert (answer.status, answer.header("Location")) == (303, [target])
    assert gateway.ask("/rest/v1/x", "HEAD", apikey=ANON).status == 200
    assert gateway.ask("/rest/v1/t%C3%B6dos%20x?n=%C3%B6", apikey=ANON).json["path"] == "/t%C3%B6dos%20x?n=%C3%B6"


@pytest.mark.parametrize("path", ["/rest/v1/x", "/auth/v1/x", "/graphql/v1", "/realtime/v1/api/broadcast"])
def test_too_large(gateway: Gateway, path: str) -> None:
    """Said before the body is read."""
    answer = gateway.ask(path, "POST", "", apikey=ANON, Content_Length=str(51 * MIB))
    assert (answer.status, answer.message) == (413, "The request is larger than 50 MB")


def directives(configuration: str, location: str) -> set[str]:
    """What stands in a location, one per line."""
    block = re.search(rf"^( *)location {re.escape(location)} {{\n(.*?)^\1}}", configuration, re.MULTILINE | re.DOTALL)
    assert block
    return {line.strip() for line in block[2].splitlines()}


def test_time_and_size(gateway: Gateway) -> None:
    """Whole files get no limit of size and time to move; a websocket may be silent. Elsewhere nginx' own 60 s are meant."""
    moves = {f"{name} 10m;" for name in ("client_body_timeout", "send_timeout", "proxy_read_timeout", "proxy_send_timeout")}
    silent = {"proxy_read_timeout 1h;", "proxy_send_timeout 1h;"}
    assert moves | {"client_max_body_size 0;", "proxy_buffering off;"} <= directives(gateway.configuration, "^~ /storage/v1/")
    assert silent <= directives(gateway.configuration, "^~ /realtime/v1/")
    elsewhere = set(re.findall(r"\w+_timeout \w+;", gateway.configuration)) - moves - silent
    assert elsewhere == {"worker_shutdown_timeout 1h;", "proxy_connect_timeout 5s;", "keepalive_timeout 0;"}
    assert "  client_max_body_size 50m;" in gateway.configuration
    assert "  proxy_request_buffering off;" in gateway.configuration


class Watch:
    """nginx' memory and files while a transfer goes on."""

    def __init__(self, gateway: Gateway) -> None:
        """From now on."""
        (self.worker,) = gateway.workers()
        self.run = gateway.run
        self.before = self.resident
        self.opened = self.files
        self.most = 0

    @property
    def resident(self) -> int:
        """Bytes in memory."""
        return int(Path(f"/proc/{self.worker}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    @property
    def files(self) -> set[str]:
        """What is open and no socket, also when it has no name any more."""
        opened = {os.readlink(fd) for fd in Path(f"/proc/{self.worker}/fd").iterdir()}
        return {path for path in opened if path.startswith("/")}

    def look(self) -> None:
        """Now."""
        self.most = max(self.most, self.resident - self.before)
        assert self.files == self.opened
        assert [p for p in self.run.glob("*/*") if p.is_file()] == []


def test_a_gigabyte_up(gateway: Gateway) -> None:
    """Straight through: flat memory, no file."""
    watch = Watch(gateway)
    part, parts, checksum = os.urandom(MIB), 1024, 0
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    connection.putrequest("POST", "/storage/v1/object/b/large")
    connection.putheader("apikey", ANON)
    connection.putheader("Content-Length", str(parts * MIB))
    connection.endheaders()
    for number in range(parts):
        connection.send(part)
        checksum = zlib.crc32(part, checksum)
        if number % 64 == 0:
            watch.look()
    answer = json.loads(connection.getresponse().read())
    assert (answer["length"], answer["checksum"]) == (parts * MIB, checksum)
    assert watch.most < MIB


@pytest.mark.parametrize("place", ["storage", "rest"])
def test_a_slow_reader(gateway: Gateway, place: str) -> None:
    """A large answer waits at the service, not here."""
    watch = Watch(gateway)
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    connection.request("GET", f"/{place}/v1/x", headers={"apikey": ANON, "X-Answer-Size": str(256 * MIB)})
    response = connection.getresponse()
    length = 0
    while part := response.read(MIB):
        length += len(part)
        if length in (MIB, 128 * MIB):
            time.sleep(0.2)
            watch.look()
    assert length == 256 * MIB
    assert watch.most < 2 * MIB


def test_an_upload_is_seen_while_it_goes_on(gateway: Gateway) -> None:
    """A service that refuses early is heard before the end."""
    with gateway.connect() as connected:
        connected.sendall(
            b"POST /storage/v1/object/b/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nX-Answer-Early: 413\r\n\r\n"
            + bytes(1000)
        )
        with connected.makefile("rb") as answer:
            assert answer.readline().startswith(b"HTTP/1.1 413")


def _unavailable(answer: Answer) -> bool:
    return (answer.status, answer.message) == (503, "The service does not answer")


def test_service_down(gateway: Gateway) -> None:
    """Nobody behind the gateway: 503, also with a socket left behind; readable for scripts."""
    place = gateway.directory / "run/supabase/prod/rest/rest.sock"
    place.rename(place.with_suffix(".away"))
    try:
        answer = gateway.ask("/rest/v1/x", apikey=ANON)
        assert _unavailable(answer)
        assert answer.header("Access-Control-Allow-Origin") == ["*"]
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(place))
        assert _unavailable(gateway.ask("/rest/v1/x", apikey=ANON))
    finally:
        place.with_suffix(".away").rename(place)
    assert gateway.ask("/rest/v1/x", apikey=ANON).status == 200
