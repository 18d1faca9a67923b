"""A new instance from its name to its answer: what is announced is made, neighbours serve on, and a killed run goes on."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.converge import Checked, converge_checked, differences
from tests.host import Machine
from tests.lab import Lab, bare
from tests.project import ROOT
from tests.seen import look
from tests.test_sandbox import Clone

CREATE = "tasks/create.py"


def asked(name: str, **values: str) -> tuple[str, ...]:
    return tuple(word for key, value in {"instance": name, **values}.items() for word in ("--data", f"{key}={value}"))


def create(lab: Lab, name: str, **values: str) -> Checked:
    checked = converge_checked(lab.project, lab.machine, *asked(name, **values), script=CREATE)
    lab.project.reread()
    return checked


@pytest.fixture(scope="module")
def lab(shared_machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A host that nobody has deployed, and a project without an instance."""
    made = bare(shared_machine, tmp_path_factory.mktemp("create"))
    made.project.data["instances"] = {}
    made.project.write()
    return made


def test_the_first_instance_of_a_bare_host(lab: Lab) -> None:
    file = lab.project.directory / "group_data/lab.py"
    file.write_text(file.read_text().replace("instances = {}", "instances = {  # all of them\n    # none yet\n}\n"))
    checked = create(lab, "prod", subdomain="supabase")
    assert "prod: create entry in group_data/lab.py" in checked.kinds
    assert lab.serves() == {"prod": "200"}
    assert '{  # all of them\n    # none yet\n    "prod": {"subdomain": "supabase"},\n}' in file.read_text()
    said = checked.real.output
    assert "prod is at https://supabase.example.org" in said
    assert "just supabase-keys prod" in said
    assert "secrets/supabase-prod-*.age" in said
    assert "eyJ" not in said


def test_a_second_one_beside_traffic(lab: Lab) -> None:
    with lab.traffic("prod") as prod:
        checked = create(lab, "dev")
    assert set(prod) == {"200"}
    assert prod["200"] > 10
    assert all("supabase-dev" in unit for unit in checked.units_changed())
    assert all(kind.startswith("dev: ") or kind == "host: rebuild the system" or ".nix" in kind for kind in checked.kinds)
    assert lab.serves() == {"prod": "200", "dev": "200"}
    print(f"a second instance: {checked.seconds:.1f} s, {prod.total()} requests of the first")


def test_twice_is_no_edit(lab: Lab) -> None:
    for words in (asked("prod"), asked("prod", subdomain="supabase"), asked("dev", host=lab.machine.ip)):
        assert lab.project.converge(*words, script=CREATE).unchanged


def refused(lab: Lab, words: tuple[str, ...], *says: str) -> None:
    before = look(lab.project, lab.machine)
    for way in ("--dry", "-y"):
        run = lab.project.pyinfra(way, *words, script=CREATE)
        assert run.status != 0
        assert all(said in run.output for said in says), run.output
        assert run.changes == []
    assert differences(before, look(lab.project, lab.machine)) == {}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), ("instance: name the new instance",)),
        (asked("prod", subdomain="other"), ("prod is there already, as https://supabase.example.org", "just deploy")),
        (asked("third", subdmain="x"), ("subdmain: unknown key; did you mean subdomain?",)),
        (asked("third", host="nowhere"), ("host = 'nowhere': no host that could take it",)),
        (asked("true"), ("instance = True: must be a name",)),
        (asked("Third"), ("instances = 'Third': the name of an instance must be",)),
        (asked("third", subdomain="supabase"), ("subdomain = 'supabase': already taken by the subdomain of instance prod",)),
        (asked("third", subdomain="not_a_label"), ("instance third: subdomain = 'not_a_label'",)),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_touched(lab: Lab, words: tuple[str, ...], says: tuple[str, ...]) -> None:
    refused(lab, words, *says)


def test_all_mistakes_at_once(lab: Lab) -> None:
    lab.project.data["instances"]["dev"]["log_level"] = "loud"
    lab.project.write()
    refused(lab, asked("third", subdomain="supabase"), "2 mistakes", "log_level", "already taken by")
    del lab.project.data["instances"]["dev"]["log_level"]
    lab.project.write()


def test_computed_instances_are_a_person_s_to_add_to(lab: Lab) -> None:
    file = lab.project.directory / "group_data/lab.py"
    text = file.read_text()
    file.write_text(text.replace("instances =", "_all =") + "instances = {name: value for name, value in _all.items()}\n")
    refused(lab, asked("third", subdomain="api"), "it is no plain dictionary", '    "third": {"subdomain": "api"},')
    file.write_text(text)


def test_a_host_that_wants_more_than_the_instance_is_converged_first(lab: Lab) -> None:
    lab.project.data["capacity"] = 11
    lab.project.write()
    refused(lab, asked("third"), "run a full converge first")
    del lab.project.data["capacity"]
    lab.project.write()


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    clone = Clone(tmp_path_factory.mktemp("create-sandbox") / "clone")
    yield clone
    clone.pyinfra("-y", script="tasks/sandbox_reset.py")


def test_in_the_sandbox(clone: Clone) -> None:
    before = clone.files()
    words = asked("third", subdomain="api")
    dry = clone.pyinfra("--dry", *words, script=CREATE)
    assert dry.status == 0, dry.output
    assert clone.files() == before
    real = clone.pyinfra("-y", *words, script=CREATE)
    assert real.status == 0, real.output
    assert set(real.changes) == set(dry.changes)
    assert "third is at https://api.sandbox.test" in real.output
    text = (clone.directory / "group_data/sandbox.py").read_text()
    added = '    "third": {"subdomain": "api"},\n'
    assert text.replace(added, "") == before["group_data/sandbox.py"].decode()
    assert sorted(Path(clone.directory / ".sandbox/etc/nixos/supabase/instances").iterdir()) == [
        clone.directory / ".sandbox/etc/nixos/supabase/instances/third.json"
    ]
    assert clone.pyinfra("-y", *words, script=CREATE).unchanged


def test_the_recipe(clone: Clone) -> None:
    just, justfile = Path(sys.executable).with_name("just"), ROOT / "justfile"
    done = subprocess.run(
        [str(just), "--justfile", str(justfile), "-n", "supabase-create", "a b", "x"],
        capture_output=True,
        text=True,
        cwd=clone.directory,
    )
    assert "tasks/create.py --data instance='a b' --data subdomain='x'" in done.stderr, done.stderr
