"""What the gateway costs: requests through it beside the same requests to PostgREST itself, and the memory of idle instances.

    .venv/bin/python -m benchmarks.gateway [ROUNDS] [SECONDS]

Needs what the host tests need (root, systemd-nspawn; see docs/testing.md). One instance on a test host; the client runs on the
host, beside both. The two sides take turns of SECONDS (default 5) in ROUNDS (default 7) pairs, each pair in the other order than the
one before, so that both see the same machine; a request is one row by its key, over a connection of its own as the gateway's
clients have them, or over a kept one. PostgREST has a Unix socket only: it is asked there.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests import containers, npm
from tests.api import Api
from tests.host import Machine
from tests.lab import Lab, bare

ROWS = """
CREATE TABLE rows (id int PRIMARY KEY, body text);
INSERT INTO rows SELECT n, repeat('x', 100) FROM generate_series(1, 1000) AS n;
"""
#: Kinds of memory are told apart by whose cgroup a process is in: PSS divides what processes share among them.
MEMORY = """
for unit in $(systemctl list-units --plain --no-legend --state=running 'supabase-*.service' 'postgresql.service' | cut -d' ' -f1); do
  pss=0
  for pid in $(cat /sys/fs/cgroup$(systemctl show -P ControlGroup $unit)/cgroup.procs); do
    kib=$(sed -n 's/^Pss: *\\([0-9]*\\) kB/\\1/p' /proc/$pid/smaps_rollup 2> /dev/null || true)
    pss=$((pss + ${kib:-0}))
  done
  echo $unit $pss
done
"""


@dataclass(frozen=True)
class Turn:
    """`rate`: answers a second; the others are milliseconds."""

    rate: float
    p50: float
    p99: float


@dataclass(frozen=True)
class Figures:
    """Medians of the turns of one side."""

    rate: float
    p50: float
    p99: float

    @classmethod
    def of(cls, turns: Iterable[Turn]) -> "Figures":
        columns = zip(*((turn.rate, turn.p50, turn.p99) for turn in turns), strict=True)
        return cls(*(statistics.median(column) for column in columns))


def turn(machine: Machine, side: str, key: str, port: int, seconds: float, clients: int) -> Turn:
    """One side under load of so many clients."""
    target = {"port": port} if side == "gateway" else {"socket": "/run/supabase/prod/rest/rest.sock"}
    path = "/rest/v1/rows?id=eq.7" if side == "gateway" else "/rows?id=eq.7"
    told = {**target, "path": path, "key": key, "seconds": seconds, "clients": clients}
    done = machine.run("/opt/node /opt/load.mjs", stdin=json.dumps(told), timeout=seconds + 60)
    seen = json.loads(done.stdout)
    if seen["failed"] or not seen["answers"]:
        raise SystemExit(f"{side}: {seen}")
    return Turn(seen["answers"] / seen["seconds"], seen["p50"], seen["p99"])


def compare(machine: Machine, key: str, port: int, rounds: int, seconds: float, clients: int) -> dict[str, Figures]:
    """Both sides in turn."""
    turns: dict[str, list[Turn]] = {"PostgREST": [], "gateway": []}
    for number in range(rounds):
        for side in sorted(turns, reverse=bool(number % 2)):
            turns[side].append(turn(machine, side, key, port, seconds, clients))
    return {side: Figures.of(values) for side, values in turns.items()}


def memory(machine: Machine) -> dict[str, int]:
    """Unit to KiB."""
    lines = (line.split() for line in machine.run(MEMORY).stdout.splitlines())
    return {unit: int(pss) for unit, pss in lines}


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
            idle = memory(machine)
            prod.psql(ROWS)
            key = prod.secret("service")
            lab.serves()
            print("| clients | side | requests/s | p50 | p99 |\n|---|---|---|---|---|")
            for clients in (1, 8):
                figures = compare(machine, key, prod.port, rounds, seconds, clients)
                for side, seen in figures.items():
                    print(f"| {clients} | {side} | {seen.rate:.0f} | {seen.p50:.2f} ms | {seen.p99:.2f} ms |")
                direct, through = figures["PostgREST"], figures["gateway"]
                added = (through.p50 - direct.p50, through.p99 - direct.p99)
                print(
                    f"| {clients} | ratio, added | {through.rate / direct.rate:.2f} | {added[0]:+.2f} ms | {added[1]:+.2f} ms |",
                    flush=True,
                )
            print("\n| unit, idle | PSS |\n|---|---|")
            for unit, kib in sorted(idle.items()):
                print(f"| {unit} | {kib / 1024:.1f} MiB |")
    finally:
        machine.stop()


if __name__ == "__main__":
    main()
