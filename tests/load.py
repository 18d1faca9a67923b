"""Requests to a gateway at a steady rate until standard input ends: `python -m tests.load PORT RATE`, the key as a first line.

Half of the workers keep their connection as long as the gateway lets them, half make a new one for each request. Reading,
writing, a function, a page of rows. Prints one JSON document: how many succeeded, what went wrong, the slowest in ms.
"""

import http.client
import json
import sys
import threading
import time
from collections import Counter

WORKERS = 8
ASKED = (
    ("GET", "/rest/v1/notes?select=body&limit=1", None),
    ("POST", "/rest/v1/notes", '{"body": "under load"}'),
    ("GET", "/rest/v1/notes?select=body&order=body.desc&limit=20", None),
    ("POST", "/rest/v1/rpc/slow", "{}"),
)


class Load:
    """What all workers have seen."""

    def __init__(self, port: int, key: str) -> None:
        self.port, self.key = port, key
        self.done = threading.Event()
        self.good, self.wrong, self.opened, self.slowest = 0, Counter[str](), 0, 0.0
        self.lock = threading.Lock()

    def work(self, number: int, pause: float) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        due = time.monotonic() + pause * number / WORKERS
        turn = number
        while not self.done.wait(max(0.0, due - time.monotonic())):
            due = max(due + pause, time.monotonic() - 1)
            self._ask(connection, turn)
            turn += 1
            if number % 2:
                connection.close()

    def _ask(self, connection: http.client.HTTPConnection, turn: int) -> None:
        method, path, body = ASKED[turn % len(ASKED)]
        headers = {"apikey": self.key, "Content-Type": "application/json"}
        start, fresh = time.monotonic(), connection.sock is None
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            answer.read()
            seen = "" if answer.status in (200, 201, 204) else str(answer.status)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            seen = type(error).__name__
        with self.lock:
            self.good += not seen
            self.opened += fresh
            self.wrong.update([seen] if seen else [])
            self.slowest = max(self.slowest, time.monotonic() - start)


def main() -> None:
    load = Load(int(sys.argv[1]), sys.stdin.readline().strip())
    pause = WORKERS / float(sys.argv[2])
    threads = [threading.Thread(target=load.work, args=(number, pause)) for number in range(WORKERS)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    sys.stdin.read()
    load.done.set()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - start
    told = {"good": load.good, "wrong": load.wrong, "opened": load.opened, "slowest": load.slowest * 1000, "seconds": seconds}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
