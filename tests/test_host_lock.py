"""Two operators at one host: one at a time, and nobody acts on what another has changed meanwhile."""

import os
import re
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host import Machine
from tests.lab import Lab, bare
from tests.project import Project

#: The longest that a run cut off from the network keeps the host when nothing else ends its lock.
SILENCE = 30
VERBS = {
    "tasks/create.py": ("instance=third",),
    "tasks/delete.py": ("instance=dev", "confirm=dev"),
    "tasks/update_secret.py": ("instance=dev", "secret=db"),
    "tasks/rotate_secrets.py": ("instance=dev",),
}
LOST = "this run no longer has the host"


@pytest.fixture(scope="module")
def lab(shared_machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    made = bare(shared_machine, tmp_path_factory.mktemp("lab"))
    assert made.project.converge().status == 0
    return made


@pytest.fixture
def other(lab: Lab, tmp_path: Path) -> Iterator[Lab]:
    """Another operator's copy of the project. Afterwards both are alike again and converged."""
    directory = tmp_path / "copy"
    shutil.copytree(lab.project.directory, directory, symlinks=True)
    theirs = Project(directory, lab.project.hosts, {**lab.project.data}, lab.project.operator)
    yield Lab(lab.machine, theirs)
    end = time.monotonic() + 60
    while (run := lab.project.converge()).status != 0:  # a way back may have the host still, all being as before already
        assert "another run is changing this host" in run.output, run.output
        assert time.monotonic() < end
    assert lab.project.converge().unchanged


def test_the_second_stops_at_once(lab: Lab, other: Lab) -> None:
    before = lab.machine.run("cat /var/lib/supabase/epoch").stdout
    lab.change()
    with lab.paused("after", "build") as first:
        there = lab.standing()
        began = time.monotonic()
        run = other.project.converge(env={"USER": "second"})
        took = time.monotonic() - began
        print(f"the second operator was told after {took:.1f} s")
        assert lab.standing() == there
        assert run.status != 0
        holder = f"{os.environ.get('USER') or os.getuid()}@{socket.gethostname()} pid {first.process.pid}"
        since = r"since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ; wait for it and run again"
        assert re.search(f"another run is changing this host: {holder} {since}", run.output), run.output
        assert took < 10
        said = first.go_on()
    assert said.status == 0, said.output
    assert int(lab.machine.run("cat /var/lib/supabase/epoch").stdout) == int(before) + 1


@pytest.mark.parametrize("where", ["another copy", "the same directory"])
def test_a_verb_stops_at_once_and_has_changed_nothing(lab: Lab, other: Lab, where: str) -> None:
    """Not even a file of the project, in which it would begin."""
    second = (other if where == "another copy" else lab).project
    lab.change()
    with lab.paused("after", "build") as first:
        files, there = second.files(), lab.standing()
        holder = f"{os.environ.get('USER') or os.getuid()}@{socket.gethostname()} pid {first.process.pid} since 20"
        for script, data in VERBS.items():
            run = second.converge(*(word for item in data for word in ("--data", item)), script=script)
            assert run.status != 0, script
            assert f"another run is changing this host: {holder}" in run.output, (script, run.output)
            assert second.files() == files, script
        assert lab.standing() == there
        assert first.go_on().status == 0


def test_reading_needs_no_lock(lab: Lab, other: Lab) -> None:
    lab.change()
    with lab.paused("after", "build") as first:
        assert other.project.dry().status == 0
        assert first.go_on().status == 0


@pytest.mark.parametrize("how", ["killed", "closed"])
def test_a_holder_that_died_does_not_block(lab: Lab, other: Lab, how: str) -> None:
    lab.change()
    with lab.paused("after", "install") as first:
        if how == "killed":
            first.kill()
        else:
            lab.machine.console("pkill -KILL -f '^sshd-session'", check=False)
        lab.machine.connection.close()
        run = lab.project.converge()
        assert run.status == 0, run.output
        if how == "closed":
            assert first.go_on().status != 0


def test_a_holder_that_fell_silent(lab: Lab, other: Lab) -> None:
    """A workstation that vanishes closes nothing: the lock ends after 30 s without a sign of life."""
    lab.change()
    with lab.paused("after", "install") as first:
        os.kill(first.process.pid, signal.SIGSTOP)
        began = time.monotonic()
        while other.project.converge().status != 0:
            assert time.monotonic() < began + SILENCE + 30
        print(f"free after {time.monotonic() - began:.1f} s")
        os.kill(first.process.pid, signal.SIGCONT)
        late = first.go_on()
    assert late.status != 0
    assert LOST in late.output


def test_a_stale_plan_stops(lab: Lab, other: Lab) -> None:
    """What the first run wants to do was planned on a host that the second has changed since."""
    lab.change()
    with lab.paused("before", "lock") as first:
        other.change("prod", log_level="warn")
        run = other.project.converge()
        assert run.status == 0, run.output
        there = lab.standing()
        late = first.go_on()
    assert late.status != 0
    assert "another run has changed this host since its state was read; run again" in late.output
    assert lab.standing() == there


def test_the_way_back_takes_the_host_from_its_run(lab: Lab, other: Lab) -> None:
    """A run that hangs past its time loses the host, and does nothing more to it."""
    before = lab.standing()
    lab.change()
    lab.wait_at_most(10)
    with lab.paused("before", "confirm") as first:
        end = time.monotonic() + 45
        while lab.standing() != before:
            assert time.monotonic() < end
            time.sleep(0.2)
        late = first.go_on()
    assert late.status != 0
    assert LOST in late.output
    assert lab.standing() == before


def test_a_later_run_is_not_undone(lab: Lab, other: Lab) -> None:
    """The first run died armed; its time runs out while the second is still building."""
    lab.wait_at_most(10)
    lab.change()
    assert lab.interrupted("after", "activate").status == -9
    with lab.paused("after", "build") as second:
        there = lab.standing()
        time.sleep(11)
        assert lab.standing() == there
        said = second.go_on()
    assert said.status == 0, said.output
    assert lab.standing().running == lab.standing().boot == there.running


def test_a_later_run_that_dies_lets_it_return(lab: Lab, other: Lab) -> None:
    lab.wait_at_most(10)
    before = lab.standing()
    lab.change()
    assert lab.interrupted("after", "activate").status == -9
    with lab.paused("after", "build") as second:
        time.sleep(11)
        second.kill()
    end = time.monotonic() + 30
    while lab.standing() != before:
        assert time.monotonic() < end
        time.sleep(0.2)
