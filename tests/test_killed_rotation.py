"""Rotating, retiring and updating secrets, killed at each boundary; creating and deleting are in test_killed.py."""

from pathlib import Path

import pytest

from tests.host import Machine
from tests.killing import Killing, Verb
from tests.lab import bare
from tests.require import WHOLE

ROTATE = Verb("tasks/rotate_secrets.py", ())
RETIRE = Verb("tasks/rotate_secrets.py", ("retire_now=true",))
UPDATE = Verb("tasks/update_secret.py", ("secret=jwt",))
#: How many points there are at least: what is not found is not tried.
LEAST = 30


@pytest.fixture(scope="module")
def killing(shared_machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Killing:
    made = bare(shared_machine, tmp_path_factory.mktemp("killed"))
    assert made.project.converge().status == 0
    return Killing(made)


def test_rotate_and_retire(killing: Killing, tmp_path: Path) -> None:
    killing.in_turn(ROTATE, RETIRE, "dev", tmp_path)


def test_update_secret(killing: Killing, tmp_path: Path) -> None:
    points = killing.boundaries("update", UPDATE, "dev", tmp_path)
    print(f"\n{points}")
    for point in points:
        killing.killed(point, UPDATE, "dev")
    killing.settled()
    print(f"{killing.tried} of {killing.found} points")
    assert killing.found >= LEAST
    assert killing.tried == killing.found or not WHOLE
