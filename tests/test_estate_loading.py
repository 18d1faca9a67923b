"""The estate as pyinfra's own inventory gives it: which file a value stands in, and what `--limit` limits."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.estates import HOST_KEY, OPERATOR
from tests.loading import Loader
from tests.project import ROOT

GOOD = f"domain = 'example.org'\noperators = ['{OPERATOR}']\n"
FILES = {
    "inventory.py": "lab = ['one', 'two']\n",
    "group_data/lab.py": GOOD,
    "known_hosts": f"one {HOST_KEY}\ntwo {HOST_KEY}\n",
}


@pytest.fixture(scope="module")
def loader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loader]:
    loader = Loader.start(tmp_path_factory.mktemp("caches"))
    yield loader
    loader.stop()


@dataclass(frozen=True)
class Project:
    directory: Path
    loader: Loader

    def write(self, files: Mapping[str, str]) -> None:
        for name, content in {**FILES, **files}.items():
            path = self.directory / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(content)

    def load(self, files: Mapping[str, str]) -> dict[str, Any]:
        self.write(files)
        return self.loader.load(self.directory)

    def hosts(self, files: Mapping[str, str]) -> dict[str, Any]:
        found = self.load(files)
        assert "hosts" in found, found
        return dict(found["hosts"])

    def stop(self, files: Mapping[str, str]) -> tuple[str, str]:
        """The kind of Stop and its message."""
        kind, message = self.load(files)["stop"]
        return kind, message

    def mistakes(self, files: Mapping[str, str]) -> list[str]:
        kind, message = self.stop(files)
        assert kind == "Invalid"
        return [line.strip() for line in message.splitlines()[1:]]


@pytest.fixture
def project(tmp_path: Path, loader: Loader) -> Project:
    return Project(tmp_path, loader)


ONE = "lab = [('one', {'instances': {'prod': {}}}), 'two']\n"


def test_a_good_project(project: Project) -> None:
    assert project.hosts({"inventory.py": ONE}) == {
        "one": {"key": HOST_KEY, "module_dir": "/etc/nixos/supabase", "recipients": 2, "slots": {"prod": 0}}
    }


@pytest.mark.parametrize(
    ("files", "field", "file"),
    [
        ({"group_data/all.py": "capacity = 0\n", "inventory.py": ONE}, "capacity = 0", "group_data/all.py"),
        ({"group_data/lab.py": f"{GOOD}capacity = 0\n", "inventory.py": ONE}, "capacity = 0", "group_data/lab.py"),
        ({"inventory.py": "lab = [('one', {'instances': {}, 'capacity': 0})]\n"}, "capacity = 0", "inventory.py"),
        (
            {"inventory.py": "lab = [('one', {'instances': {}})]\nmore = (['one'], {'capacity': 0})\n"},
            "capacity = 0",
            "inventory.py",
        ),
        ({"inventory.py": ONE, "group_data/inventory.py": "capacity = 0\n"}, "capacity = 0", "group_data/inventory.py"),
        (
            {"group_data/all.py": "capacity = 0\n", "group_data/lab.py": f"{GOOD}capacity = -1\n", "inventory.py": ONE},
            "capacity = -1",
            "group_data/lab.py",
        ),
    ],
)
def test_the_file_that_wins_is_named(project: Project, files: Mapping[str, str], field: str, file: str) -> None:
    assert project.mistakes(files) == [f"{file}: {field}: must be a whole number from 1 to 600"]


def test_we_merge_as_pyinfra_does(project: Project) -> None:
    """The value of every key is the one that pyinfra itself would give."""
    files = {
        "inventory.py": "b = [('one', {'x': 'host'})]\na = ['one']\n",
        "group_data/all.py": "x = y = z = u = 'all'\n",
        "group_data/a.py": "x = y = z = 'a'\n",
        "group_data/b.py": "x = y = 'b'\n",
        "group_data/inventory.py": "z = 'inventory'\n",
    }
    data = project.load(files)["data"]["one"]
    assert {key: ours for key, (_, ours, _) in data.items()} == {key: theirs for key, (theirs, _, _) in data.items()}
    assert data["x"] == ["host", "host", ["group_data/all.py", "group_data/b.py", "group_data/a.py", "inventory.py"]]


def test_two_groups_with_instances(project: Project) -> None:
    files = {
        "inventory.py": "lab = ['one']\nmore = ['one']\n",
        "group_data/lab.py": f"{GOOD}instances = {{'prod': {{}}}}\n",
        "group_data/more.py": "instances = {'dev': {}}\n",
    }
    (line,) = project.mistakes(files)
    assert line.startswith("group_data/more.py: instances: also defined in group_data/lab.py; pyinfra keeps only one of the two")


def test_helpers_imports_and_pyinfras_keys_are_no_mistakes(project: Project) -> None:
    text = f"from os import path\nimport re\n_small = {{'log_level': 'warn'}}\nssh_user = 'root'\n_sudo = True\n{GOOD}"
    assert project.hosts({"group_data/lab.py": text, "inventory.py": ONE})


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("ssh_known_host_file = 'x'", "ssh_known_host_file: unknown key; did you mean ssh_known_hosts_file?"),
        (
            "ssh_strict_host_key_cheking = 'yes'",
            "ssh_strict_host_key_cheking: unknown key; did you mean ssh_strict_host_key_checking?",
        ),
        ("instnaces = {}", "instnaces: unknown key; did you mean instances?"),
    ],
)
def test_a_misspelt_key_of_pyinfra(project: Project, line: str, problem: str) -> None:
    """A pin that nobody reads pins nothing."""
    assert project.mistakes({"group_data/lab.py": f"{GOOD}{line}\n", "inventory.py": ONE}) == [
        f"group_data/lab.py: {problem} (helpers of your own start with _)"
    ]


def test_every_host_of_the_inventory_is_validated(project: Project) -> None:
    found = project.mistakes(
        {
            "inventory.py": "one = ['one']\ntwo = ['two', 'three']\n",
            "group_data/one.py": f"{GOOD}instances = {{'prod': {{'port': 1}}}}\n",
            "group_data/two.py": f"{GOOD}domain = 'x'\ninstances = {{'dev': {{'port': 1}}}}\n",
        },
    )
    assert [line.split(": ")[:2] for line in found] == [
        ["group_data/one.py", "instance prod"],
        ["known_hosts", "three"],
        ["group_data/two.py", "domain = 'x'"],
        ["group_data/two.py", "instance dev"],
    ]


def test_the_recorded_key_of_another_name_and_port(project: Project) -> None:
    data = {"ssh_hostname": "real.example.org", "ssh_port": 2222, "ssh_known_hosts_file": "pins", "instances": {}}
    inventory = f"lab = [('one', {data})]\n"
    files = {"inventory.py": inventory, "pins": f"[real.example.org]:2222 {HOST_KEY}\n", "known_hosts": ""}
    assert project.hosts(files)["one"]["key"] == HOST_KEY


def test_two_recorded_keys_stop(project: Project) -> None:
    kind, message = project.stop({"inventory.py": ONE, "known_hosts": f"one {HOST_KEY}\none {OPERATOR}\n"})
    assert kind == "HostStop"
    assert "2 different ssh-ed25519 keys of one" in message


@pytest.mark.parametrize("port", ["'22'", "'x'", "None", "[]"])
def test_a_wrong_ssh_port_is_pyinfras_matter(project: Project, port: str) -> None:
    assert project.hosts({"inventory.py": f"lab = [('one', {{'instances': {{}}, 'ssh_port': {port}}})]\n"})


def test_slots_are_those_of_the_file(project: Project) -> None:
    assert project.hosts({"inventory.py": ONE, "slots.json": '{"one": {"prod": 7, "old": 0}}'})["one"]["slots"] == {"prod": 7}
    kind, message = project.stop({"inventory.py": ONE, "slots.json": "{"})
    assert kind == "SlotStop"
    assert "slots.json cannot be trusted" in message


def test_the_sandbox_needs_no_keys(project: Project) -> None:
    """It makes them itself; a dry look writes nothing."""
    data = "system = 'sandbox'\ndomain = 'sandbox.test'\ninstances = {'prod': {}}\n"
    found = project.hosts({"inventory.py": "sandbox = ['@local']\n", "group_data/sandbox.py": data})["@local"]
    assert found["module_dir"] == str(project.directory / ".sandbox/etc/nixos/supabase")
    assert found["recipients"] == 2
    assert not (project.directory / ".sandbox").exists()


def pyinfra(project: Project, *arguments: str) -> tuple[int, str]:
    """Exit status and output of the real command on the real deploy.py."""
    for name in ("deploy.py", "desired", "facts", "operations", "templates", "workstation"):
        (project.directory / name).symlink_to(ROOT / name)
    done = subprocess.run(
        [str(Path(sys.executable).with_name("pyinfra")), "inventory.py", "deploy.py", "--dry", *arguments],
        cwd=project.directory,
        env={**os.environ, "PYINFRA_PROGRESS": "off", "XDG_CACHE_HOME": str(project.directory / "caches")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)


SANDBOX = {
    "inventory.py": "sandbox = ['@local']\nlab = ['one']\n",
    "group_data/sandbox.py": "system = 'sandbox'\ndomain = 'sandbox.test'\ninstances = {'prod': {}}\n",
    "group_data/lab.py": f"{GOOD}instances = {{'dev': {{'port': 1}}, 'prod': {{}}}}\n",
}


def test_limit_does_not_limit_validation(project: Project) -> None:
    """A mistake of a host that the run leaves out ends it, as one message without a traceback, before any command."""
    project.write(SANDBOX)
    status, output = pyinfra(project, "--limit", "sandbox")
    assert status != 0
    assert "group_data/lab.py: instance dev: port = 1: must be a whole number from 1024 to 65535" in output
    assert "instance prod: instances: claimed by two hosts" in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("instnace=prod", "--data: instnace: unknown key; did you mean instance?"),
        ("instance=", "--data: instance = '': no host has this instance; known: prod"),
        ("instance=true", "--data: instance = True: no host has this instance; known: prod"),
        ("instance=prd", "--data: instance = 'prd': no host has this instance; known: prod"),
    ],
)
def test_data_is_strict(project: Project, argument: str, message: str) -> None:
    project.write({**SANDBOX, "inventory.py": "sandbox = ['@local']\n"})
    status, output = pyinfra(project, "--data", argument)
    assert status != 0
    assert message in output
    assert "Traceback" not in output
