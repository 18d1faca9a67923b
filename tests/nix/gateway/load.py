"""Requests without pause, while something else happens."""

import http.client
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from tests.nix.gateway.running import Gateway


@contextmanager
def load(gateway: Gateway, *, kept: bool, **headers: str) -> Iterator[Counter[str]]:
    """Counts what writing requests come to, of four clients; `kept`: each over one connection as long as it lasts."""
    outcomes: Counter[str] = Counter()
    ended = threading.Event()

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
        while not ended.is_set():
            try:
                connection.request("POST", "/rest/v1/x", body="{}", headers=headers)
                response = connection.getresponse()
                response.read()
                outcome = str(response.status)
            except (OSError, http.client.HTTPException) as error:
                outcome = type(error).__name__
                connection.close()
            outcomes[outcome] += 1
            if not kept:
                connection.close()
        connection.close()

    clients = [threading.Thread(target=client) for _ in range(4)]
    for thread in clients:
        thread.start()
    try:
        yield outcomes
    finally:
        ended.set()
        for thread in clients:
            thread.join()


def served(outcomes: Counter[str], more: int) -> None:
    """Wait until so many requests more have been answered with 200."""
    due, end = outcomes["200"] + more, time.monotonic() + 20
    while outcomes["200"] < due:
        assert time.monotonic() < end, outcomes
        time.sleep(0.01)
