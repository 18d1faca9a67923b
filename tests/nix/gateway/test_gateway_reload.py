"""Changes of the key list, and restarts, while requests come in."""

import http.client
import json
import time

import pytest

from tests.nix.gateway.keys import ANON, SERVICE
from tests.nix.gateway.load import load, served
from tests.nix.gateway.running import Gateway

NEW = ANON.replace("_1", "_2")


@pytest.mark.parametrize("kept", [True, False], ids=["kept connections", "new connections"])
def test_a_rotation_loses_no_request(gateway: Gateway, kept: bool) -> None:
    """The list changes five times; a key that stays on it is served all the time."""
    with load(gateway, kept=kept, apikey=SERVICE) as outcomes:
        for anon in (NEW, ANON, NEW, ANON, NEW):
            gateway.secret("anon", anon)
            gateway.reload()
            served(outcomes, 20)
        assert gateway.ask("/rest/v1/x", apikey=NEW).status == 200
        assert gateway.ask("/rest/v1/x", apikey=ANON).status == 401
        gateway.secret("anon", ANON)
        gateway.reload()
    assert outcomes.keys() == {"200"}
    assert outcomes["200"] > 100


@pytest.mark.parametrize("kept", [True, False], ids=["kept connections", "new connections"])
def test_a_restart_loses_no_request(gateway: Gateway, kept: bool) -> None:
    """systemd holds the public socket meanwhile: who comes waits."""
    with load(gateway, kept=kept, apikey=SERVICE) as outcomes:
        for _ in range(3):
            served(outcomes, 40)
            gateway.stop()
            time.sleep(0.1)
            gateway.start()
    assert outcomes.keys() == {"200"}
    assert outcomes["200"] > 100


def test_a_request_under_way_is_answered(gateway: Gateway) -> None:
    """By the old worker, with the old list; the next one by the new."""
    kept = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=5)
    kept.putrequest("POST", "/rest/v1/x")
    kept.putheader("apikey", ANON)
    kept.putheader("Content-Length", "4")
    kept.endheaders(b"ab")
    time.sleep(0.1)
    gateway.secret("anon", NEW)
    try:
        gateway.reload()
        assert gateway.ask("/rest/v1/x", apikey=ANON).status == 401
        kept.send(b"cd")
        assert json.loads(kept.getresponse().read())["body"] == "abcd"
    finally:
        gateway.secret("anon", ANON)
        gateway.reload()
    assert gateway.ask("/rest/v1/x", apikey=ANON).status == 200
