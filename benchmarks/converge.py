"""No-op converge and dry run for 1, 10 and 100 instances, beside a pyinfra run that does nothing.

    .venv/bin/python -m benchmarks.converge [RUNS]

Needs what the host tests need (root, systemd-nspawn; see docs/testing.md). Each figure is the median of RUNS (default 7) whole
processes; the two sides of a ratio are timed in turn on the same host, so that both see the same machine.
"""

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
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


def measure(project: Project, runs: int) -> tuple[float, float, float, float, float, float]:
    """(first converge, empty -y, no-op -y, empty --dry, --dry, no-op -y that enters every database), seconds."""
    (project.directory / "empty.py").write_text('"""A deploy that does nothing."""\n')
    first = seconds(lambda: project.converge(timeout=1200))
    # autovacuum looks into new databases within a minute, and what it writes has them entered again
    end = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < end:
        seconds(project.converge)
    empty, noop = in_turn(runs, lambda: project.pyinfra("-y", script="empty.py"), project.converge)
    empty_dry, dry = in_turn(runs, lambda: project.pyinfra("--dry", script="empty.py"), project.dry)

    def forgetful() -> Run:
        shutil.rmtree(project.directory.parent / "cache")
        return project.converge()

    (entering,) = in_turn(runs, forgetful)
    return first, empty, noop, empty_dry, dry, entering


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    print("| instances | first converge | empty run -y | no-op -y | ratio | empty --dry | --dry | ratio | no-op, all entered |")
    print("|---|---|---|---|---|---|---|---|---|")
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
                first, *figures = measure(project, runs)
        finally:
            machine.stop()
        empty, noop, empty_dry, dry, entering = figures
        print(
            f"| {size} | {first:.1f} s | {empty:.2f} s | {noop:.2f} s | {noop / empty:.2f} "
            f"| {empty_dry:.2f} s | {dry:.2f} s | {dry / empty_dry:.2f} | {entering:.2f} s |",
            flush=True,
        )


if __name__ == "__main__":
    main()
