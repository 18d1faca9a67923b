"""Creating and deleting an instance, killed at each boundary; the verbs on secrets are in test_killed_rotation.py."""

from pathlib import Path

import pytest

from tests.api import Api
from tests.host import Machine
from tests.killing import Killing, Verb
from tests.lab import bare
from tests.require import WHOLE

CREATE, DELETE = Verb("tasks/create.py", ()), Verb("tasks/delete.py", ("confirm=extra",))
#: How many points there are at least: what is not found is not tried.
LEAST = 20


@pytest.fixture(scope="module")
def killing(shared_machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Killing:
    made = bare(shared_machine, tmp_path_factory.mktemp("killed"))
    assert made.project.converge().status == 0
    return Killing(made)


def test_the_search_finds_a_planted_value(killing: Killing) -> None:
    value = Api(killing.lab.project, killing.lab.machine, "dev").secret("service")
    killing.lab.machine.run("cat > /run/planted", stdin=value)
    (killing.lab.project.directory / "planted").write_text(value)
    assert len(killing.plaintexts()) == 2
    killing.lab.machine.run("rm /run/planted")
    (killing.lab.project.directory / "planted").unlink()
    assert killing.plaintexts() == []


def test_create_and_delete(killing: Killing, tmp_path: Path) -> None:
    killing.in_turn(CREATE, DELETE, "extra", tmp_path)
    assert "extra" not in killing.lab.machine.run("ls /etc/nixos/supabase/instances /var/lib/supabase").stdout
    print(f"{killing.tried} of {killing.found} points")
    assert killing.found >= LEAST
    assert killing.tried == killing.found or not WHOLE
