"""How much Nix computes for the module, for 1, 10 and 100 instances of each profile, beside a host that only imports it.

    .venv/bin/python -m benchmarks.evaluation [RUNS]

With nixpkgs' own `lib` and agenix' module where they are on this machine (a channel), else with the test host's. The options
of NixOS are stubs: what NixOS makes of them comes on top. Each figure is the processor time of a whole process, the median of
RUNS (default 5): it does not depend on what else the machine does.
"""

import os
import statistics
import sys
import tempfile
from pathlib import Path

from tests.nix.evaluation import Lab, available, instance

SIZES = (1, 10, 100)
PROFILES = ("api", "app", "full")


def seconds(lab: Lab, runs: int) -> float:
    times = []
    for _ in range(runs):
        before = os.times()
        result = lab.evaluate(available())
        after = os.times()
        times.append(after.children_user + after.children_system - before.children_user - before.children_system)
        if result["failed"]:
            raise SystemExit("\n".join(result["failed"]))
    return statistics.median(times)


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as directory:
        empty = seconds(Lab(Path(directory) / "empty"), runs)
        print(f"{available().name}'s lib; no instance: {empty:.2f} s\n")
        print(f"| instances | {' | '.join(PROFILES)} |")
        print(f"|---|{'---|' * len(PROFILES)}")
        for size in SIZES:
            figures = []
            for profile in PROFILES:
                lab = Lab(Path(directory) / f"{profile}{size}")
                lab.host(capacity=max(SIZES))
                for slot in range(size):
                    lab.put(f"i{slot}", instance(f"i{slot}", slot, profile))
                figures.append(f"{seconds(lab, runs):.2f} s")
            print(f"| {size} | {' | '.join(figures)} |", flush=True)


if __name__ == "__main__":
    main()
