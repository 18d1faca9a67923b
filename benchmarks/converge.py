"""No-op converge and dry run for 1, 10 and 100 instances, beside two pyinfra runs that do nothing: with an inventory of the same
host that imports nothing of this project, and with this project's, whose transport and settings make pyinfra itself faster.

    .venv/bin/python -m benchmarks.converge [RUNS]

Needs what the host tests need (root, systemd-nspawn; see docs/testing.md). Each figure is the median of RUNS (default 7) whole
processes; the sides of a ratio are timed in turn on the same host, so that all see the same machine.
"""

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.host import Machine
from tests.keys import keypair
from tests.project import Project, Run, on_machines

SIZES = (1, 10, 100)
SETTLE_SECONDS = 75
CONFIGURATION = '{ imports = [ <agenix/modules/age.nix> ./supabase ]; system.stateVersion = "25.11"; }\n'


def seconds(run: Callable[[], Run]) -> float:
    start = time.monotonic()
    done = run()
    took = time.monotonic() - start
    if done.status != 0:
        raise SystemExit(done.output)
    return took


def in_turn(runs: int, *sides: Callable[[], Run]) -> list[float]:
    """The median of each side."""
    times = [[seconds(side) for side in sides] for _ in range(runs)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def measure(project: Project, runs: int) -> tuple[float, list[float], list[float], float]:
    """Seconds: first converge; pyinfra alone, empty run and no-op, with -y and with --dry; no-op that enters every database."""
    (project.directory / "empty.py").write_text('"""A deploy that does nothing."""\n')
    (project.directory / "plain.py").write_text(f"lab = {list(project.hosts.items())!r}\n")
    first = seconds(lambda: project.converge(timeout=1200))
    # autovacuum looks into new databases within a minute, and what it writes has them entered again
    end = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < end:
        seconds(project.converge)

    def beside(flag: str, full: Callable[[], Run]) -> list[float]:
        alone = partial(project.pyinfra, flag, script="empty.py", inventory="plain.py")
        return in_turn(runs, alone, partial(project.pyinfra, flag, script="empty.py"), full)

    real, dry = beside("-y", project.converge), beside("--dry", project.dry)

    def forgetful() -> Run:
        shutil.rmtree(project.directory.parent / "cache")
        return project.converge()

    (entering,) = in_turn(runs, forgetful)
    return first, real, dry, entering


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    print("| instances | | pyinfra alone | empty run | no-op | to pyinfra alone | to the empty run |")
    print("|---|---|---|---|---|---|---|")
    for size in SIZES:
        machine = Machine.start()
        try:
            machine.put("/etc/nixos/configuration.nix", CONFIGURATION)
            with tempfile.TemporaryDirectory() as directory:
                place = Path(directory)
                instances: dict[str, dict[str, str]] = {f"i{number}": {} for number in range(size)}
                operator = keypair(place, "operator")
                project = on_machines(place / "project", [machine], instances, operator, capacity=max(10, size))
                project.cold = True
                first, real, dry, entering = measure(project, runs)
        finally:
            machine.stop()
        for flag, (alone, empty, full) in (("-y", real), ("--dry", dry)):
            ratios = f"{full / alone:.2f} | {full / empty:.2f}"
            print(f"| {size} | {flag} | {alone:.2f} s | {empty:.2f} s | {full:.2f} s | {ratios} |", flush=True)
        print(f"{size}: first converge {first:.1f} s; every database entered {entering:.2f} s", flush=True)


if __name__ == "__main__":
    main()
