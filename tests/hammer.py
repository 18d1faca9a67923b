"""Requests without pause through gateways of a machine, from inside its network: the client of tests under load.

As a program it reads lines on standard input, each a JSON document `{"label", "port", "headers"}` that starts one more client, or
`{"label", "stop": true}`, and prints the counts of all when standard input ends.
"""

import http.client
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.host import Machine

#: A connection serves so many requests, then a new one is made: both ways in are under load.
KEPT = 20


@dataclass(frozen=True)
class Counts:
    """`statuses`: label to HTTP status, or the kind of error, to how often; `rate`: requests a second of a label."""

    statuses: Mapping[str, Mapping[str, int]]
    rate: Mapping[str, float]

    def failed(self, label: str) -> dict[str, int]:
        return {status: count for status, count in self.statuses[label].items() if status != "200"}

    def total(self, *labels: str) -> int:
        return sum(sum(self.statuses[label].values()) for label in labels or self.statuses)


class Load:
    """The running client."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.counts: Counts | None = None

    def start(self, label: str, port: int, headers: Mapping[str, str], path: str) -> None:
        self._say({"label": label, "port": port, "headers": dict(headers), "path": path})

    def stop(self, label: str) -> None:
        """Returns when its last request has been answered."""
        self._say({"label": label, "stop": True})

    def so_far(self) -> int:
        """How many requests there were."""
        return int(self._say({"label": "", "count": True}))

    def _say(self, document: Mapping[str, Any]) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(document) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


@contextmanager
def load(machine: Machine) -> Iterator[Load]:
    """While the block runs; `counts` is there when it has ended."""
    command = ["ip", "netns", "exec", f"sth-{machine.name}", sys.executable, "-m", "tests.hammer"]
    with subprocess.Popen(
        command, cwd=Path(__file__).parent.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        client = Load(process)
        try:
            yield client
        finally:
            output, _ = process.communicate(timeout=60)
    client.counts = Counts(**json.loads(output))


class _Client(threading.Thread):
    def __init__(self, document: Mapping[str, Any]) -> None:
        super().__init__()
        self.document, self.seen, self.ended = document, Counter[str](), threading.Event()
        self.began, self.took = time.monotonic(), 0.0

    def run(self) -> None:
        made = 0
        connection = http.client.HTTPConnection("127.0.0.1", self.document["port"], timeout=30)
        while not self.ended.is_set():
            try:
                connection.request("GET", self.document["path"], headers=self.document["headers"])
                response = connection.getresponse()
                response.read()
                outcome = str(response.status)
            except (OSError, http.client.HTTPException) as error:
                outcome = type(error).__name__
                made = 0
            made += 1
            self.seen[outcome] += 1
            if made % KEPT == 0 or outcome != "200":
                connection.close()
        connection.close()
        self.took = time.monotonic() - self.began


def main() -> None:
    clients: list[_Client] = []
    for line in sys.stdin:
        document = json.loads(line)
        if document.get("count"):
            print(sum(sum(client.seen.values()) for client in clients), flush=True)
            continue
        if document.get("stop"):
            for client in clients:
                if client.document["label"] == document["label"] and not client.ended.is_set():
                    client.ended.set()
                    client.join()
        else:
            clients.append(_Client(document))
            clients[-1].start()
        print("done", flush=True)
    for client in clients:
        client.ended.set()
    statuses: dict[str, Counter[str]] = {}
    rate: Counter[str] = Counter()
    for client in clients:
        client.join()
        label = client.document["label"]
        statuses.setdefault(label, Counter()).update(client.seen)
        rate[label] += sum(client.seen.values()) / client.took  # type: ignore[assignment]
    print(json.dumps({"statuses": statuses, "rate": rate}))


if __name__ == "__main__":
    main()
