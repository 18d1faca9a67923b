"""A full host: status stays one connection and one command, and says of each instance what it says of one."""

import time
from pathlib import Path

from tests.host import Machine
from tests.lab import bare
from tests.project import on_machines
from tests.reporting import report, same_plan, sessions, status

COUNT = 24


def test_two_dozen_instances(machine: Machine, tmp_path: Path) -> None:
    lab = bare(machine, tmp_path, way_back_seconds=600)
    names = [f"inst{number:02}" for number in range(COUNT)]
    lab.project = on_machines(
        tmp_path / "many", [machine], {name: {} for name in names}, lab.project.operator, capacity=COUNT, way_back_seconds=600
    )
    done = lab.project.converge(timeout=600)
    assert done.status == 0, done.output
    lab.serves(within=60)
    start = time.monotonic()
    with sessions(machine) as seen:
        said = status(lab.project)
    print(f"status of {COUNT} instances: {time.monotonic() - start:.1f} s")
    assert seen == ["connection", "command"]
    assert [(item["name"], item["state"]) for item in said.document["hosts"][0]["instances"]] == [
        (name, "healthy") for name in names
    ]
    same_plan(lab.project, said)
    # One of them is ill, and another one of the 24 would be changed.
    machine.console("systemctl stop supabase-inst07-rest")
    lab.project.data["instances"]["inst11"] = {"log_level": "warn"}
    lab.project.write()
    said = status(lab.project)
    assert {item["name"] for item in said.document["hosts"][0]["instances"] if item["state"] != "healthy"} == {"inst07"}
    changed = {change.partition(":")[0] for change in same_plan(lab.project, said).changes}
    assert changed == {"host", "inst07", "inst11"}
    assert max(map(len, report(lab.project, "status").stdout.splitlines())) <= 80
