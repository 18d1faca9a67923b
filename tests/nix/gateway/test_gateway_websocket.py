"""Websockets to realtime."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.nix.gateway.keys import ANON, OLD, SERVICE
from tests.nix.gateway.running import Gateway
from tests.nix.gateway.websocket import WebSocket

PATH = "/realtime/v1/websocket"


@contextmanager
def opened(gateway: Gateway, path: str, *headers: str) -> Iterator[WebSocket]:
    """A websocket while the block runs."""
    with closing(WebSocket(gateway.connect(), path, *headers)) as websocket:
        yield websocket


@pytest.mark.parametrize("key", [ANON, OLD, SERVICE], ids=["anon", "anon-previous", "service"])
def test_echo(gateway: Gateway, key: str) -> None:
    """Browsers give the key in the query, servers in the header: realtime gets it in one place."""
    for path, *headers in ((f"{PATH}?apikey={key}&vsn=1.0.0",), (f"{PATH}?vsn=1.0.0", f"apikey: {key}")):
        with opened(gateway, path, *headers) as websocket:
            assert (websocket.status, websocket.headers["Sec-WebSocket-Accept"]) == (101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
            assert (websocket.seen["service"], websocket.seen["path"]) == ("realtime", "/socket/websocket?vsn=1.0.0")
            seen = {name.lower(): value for name, value in websocket.seen["headers"]}
            assert (seen["x-api-key"], seen["host"]) == (key, "prod.supabase-realtime")
            assert (seen["upgrade"], seen["connection"]) == ("websocket", "upgrade")
            assert "authorization" not in seen
            for text in (b"{}", b"x" * 60000, "ö".encode()):
                assert websocket.echo(text) == text


@pytest.mark.parametrize("headers", [(), ("apikey: wrong",), (f"Authorization: Bearer {ANON}",), (f"X-Api-Key: {ANON}",)])
def test_without_a_key(gateway: Gateway, headers: tuple[str, ...]) -> None:
    """The connection is not made."""
    with opened(gateway, PATH, *headers) as websocket:
        assert websocket.status == 401


def test_no_other_service_speaks_it(gateway: Gateway) -> None:
    """Nor the inner realtime paths."""
    for path in ("/rest/v1/x", "/storage/v1/x", "/auth/v1/x", "/pg/x", "/realtime/v1/api/x", "/realtime/v1/health"):
        with opened(gateway, path, f"apikey: {SERVICE}") as websocket:
            assert websocket.status == 200


def test_a_reload_keeps_it(gateway: Gateway) -> None:
    """The old worker goes on with what is open."""
    with opened(gateway, f"{PATH}?apikey={ANON}") as websocket:
        for _ in range(3):
            gateway.reload()
            time.sleep(0.1)
            assert websocket.echo(b"still here") == b"still here"
