"""What the gateway costs: requests through it beside the same requests to PostgREST itself, and the memory of idle instances.

    .venv/bin/python -m benchmarks.gateway [ROUNDS] [SECONDS]

Needs what the host tests need (root, systemd-nspawn; see docs/testing.md). The client runs on the test host, beside all sides,
which take turns of SECONDS (default 5) in ROUNDS (default 7), each round in the other order than the one before, so that they see
the same machine. A request asks for one row by its key. The gateway ends every connection after one request (a reload would lose
a write on a kept one), so PostgREST is asked in this way too, and over kept connections. It has a Unix socket only.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path

from tests import containers, npm
from tests.api import Api
from tests.host import Machine
from tests.lab import Lab, bare

DIRECT, KEPT, GATEWAY = SIDES = ("PostgREST", "PostgREST, kept connections", "gateway")
TITLE = "| clients | side | requests/s | p50 | p99 | processor time | gateway: ratio | added p50 | added p99 |"
ROWS = """
CREATE TABLE rows (id int PRIMARY KEY, body text);
INSERT INTO rows SELECT n, repeat('x', 100) FROM generate_series(1, 1000) AS n;
"""
#: What the processes of a unit's cgroup have of memory (PSS: what several share counts for each in parts) and have had of the
#: processors: KiB and hundredths of a second.
USAGE = """
systemctl list-units --plain --no-legend --state=running 'supabase-*.service' postgresql.service | while read -r unit _; do
  pss=0 ticks=0
  for pid in $(cat /sys/fs/cgroup$(systemctl show -P ControlGroup $unit)/cgroup.procs); do
    pss=$((pss + $(awk '$1 == "Pss:" { print $2 }' /proc/$pid/smaps_rollup 2> /dev/null || echo 0)))
    ticks=$((ticks + $(sed 's/.*) //' /proc/$pid/stat 2> /dev/null | awk '{ print $12 + $13 } END { if (!NR) print 0 }')))
  done
  echo $unit $pss $ticks
done
"""


@dataclass(frozen=True)
class Usage:
    """Of one unit."""

    kib: int
    ticks: int


@dataclass(frozen=True)
class Turn:
    """`rate`: answers a second; the others are milliseconds. `processor`: what a request costs the services, not the client."""

    rate: float
    p50: float
    p99: float
    processor: float

    @classmethod
    def median(cls, turns: Iterable["Turn"]) -> "Turn":
        return cls(*(statistics.median(column) for column in zip(*map(astuple, turns), strict=True)))


def usage(machine: Machine) -> dict[str, Usage]:
    """By unit."""
    lines = (line.split() for line in machine.run(USAGE).stdout.splitlines())
    return {unit: Usage(int(kib), int(ticks)) for unit, kib, ticks in lines}


def busy(machine: Machine) -> int:
    """Processor time of all that answers, so far."""
    return sum(used.ticks for unit, used in usage(machine).items() if "-dev" not in unit)


def turn(machine: Machine, side: str, key: str, port: int, seconds: float, clients: int) -> Turn:
    """One side under load of so many clients."""
    target: dict[str, object] = {"port": port, "path": "/rest/v1/rows?id=eq.7"}
    if side != GATEWAY:
        target = {"socket": "/run/supabase/prod/rest/rest.sock", "path": "/rows?id=eq.7"}
    told = {**target, "kept": side == KEPT, "key": key, "seconds": seconds, "clients": clients}
    before = busy(machine)
    done = machine.run("/opt/node /opt/load.mjs", stdin=json.dumps(told), timeout=seconds + 60)
    after = busy(machine)
    seen = json.loads(done.stdout)
    if seen["failed"] or not seen["answers"]:
        raise SystemExit(f"{side}: {seen}")
    return Turn(seen["answers"] / seen["seconds"], seen["p50"], seen["p99"], (after - before) * 10 / seen["all"])


def compare(machine: Machine, key: str, port: int, rounds: int, seconds: float, clients: int) -> dict[str, Turn]:
    """All sides in turn."""
    turns: dict[str, list[Turn]] = {side: [] for side in SIDES}
    for number in range(rounds):
        for side in SIDES[:: -1 if number % 2 else 1]:
            turns[side].append(turn(machine, side, key, port, seconds, clients))
    return {side: Turn.median(values) for side, values in turns.items()}


def deployed(machine: Machine, directory: Path) -> Lab:
    """prod and dev, with the REST API and meta, whose program is the real one."""
    containers.install(machine, [containers.meta()])
    subprocess.run(["cp", str(Path(__file__).with_name("load.mjs")), f"/proc/{machine.guest.init()}/root/opt/"], check=True)
    lab = bare(machine, directory)
    lab.project.data["instance_defaults"] = {"profile": "api", "services": {"meta": True}}
    lab.project.write()
    run = lab.project.converge()
    if run.status:
        raise SystemExit(run.output)
    return lab


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 5
    npm.modules("postgres-meta")
    machine = Machine.start()
    try:
        with tempfile.TemporaryDirectory() as directory:
            lab = deployed(machine, Path(directory))
            prod = Api(lab.project, machine, "prod")
            idle = usage(machine)
            prod.psql(ROWS)
            key = prod.secret("service")
            lab.serves()
            print(f"{TITLE}\n{'|---' * TITLE.count(' |')}|")
            for clients in (1, 8):
                figures = compare(machine, key, prod.port, rounds, seconds, clients)
                through = figures[GATEWAY]
                for side, seen in figures.items():
                    times = " | ".join(f"{time:.2f} ms" for time in (seen.p50, seen.p99, seen.processor))
                    line = f"| {clients} | {side} | {seen.rate:.0f} | {times} |"
                    beside = (through.rate / seen.rate, through.p50 - seen.p50, through.p99 - seen.p99)
                    told = " | | |" if side == GATEWAY else " {:.2f} | {:+.2f} ms | {:+.2f} ms |".format(*beside)
                    print(line + told, flush=True)
            print("\n| unit, idle | PSS |\n|---|---|")
            for unit, used in sorted(idle.items()):
                print(f"| {unit} | {used.kib / 1024:.1f} MiB |")
    finally:
        machine.stop()


if __name__ == "__main__":
    main()
