"""A service that migrates is not started in an older version than one that has started before."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.nix.evaluation import Lab, available, instance
from tests.nix.rendered import section

SERVICES = {"auth": "2.187.0", "realtime": "v2.154.0", "storage": "v1.90.1"}


@pytest.fixture
def conditions(lab: Lab, tmp_path: Path) -> dict[str, str]:
    """Service to its condition, which keeps its state below tmp_path."""
    lab.put("prod", instance("prod", 0, "full"))
    units = lab.evaluate(available())["system"]["units"]
    found = {}
    for name, unit in units.items():
        for line in section(unit, "ExecCondition"):
            assert line.startswith("+"), "as root: the service must not reach the file"
            text = Path(line[1:]).read_text()
            assert text.count("/var/lib/supabase/prod/migrated/") == 1
            found[name.split(".")[0].split("-")[2]] = text.replace("/var/lib/supabase", str(tmp_path))
    return found


def start(script: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)


def test_which_services(conditions: dict[str, str]) -> None:
    """Those whose version /etc/supabase/versions has."""
    assert {name: re.findall(r"version=(\S+)", text)[0] for name, text in conditions.items()} == SERVICES


@pytest.mark.parametrize("service", SERVICES)
def test_forward_only(conditions: dict[str, str], tmp_path: Path, service: str) -> None:
    file = tmp_path / "prod/migrated" / service
    now = conditions[service]
    major, minor, patch = SERVICES[service].split(".")
    newer = now.replace(f"version={SERVICES[service]} ", f"version={major}.{int(minor) + 100}.{patch} ")
    for script, version in ((now, SERVICES[service]), (now, SERVICES[service]), (newer, f"{major}.{int(minor) + 100}.{patch}")):
        assert start(script).returncode == 0
        assert file.read_text() == f"{version}\n"
        assert file.parent.stat().st_mode & 0o777 == 0o700, "another instance's users do not read it"
    refused = start(now)
    # 1 skips the unit; more than that would be a failure, tried again for ever.
    assert refused.returncode == 1
    assert f"{service} {SERVICES[service]} is not started" in refused.stderr
    assert "supabase_prod" in refused.stderr
    assert file.read_text() == f"{major}.{int(minor) + 100}.{patch}\n"


def test_a_full_disk_is_a_failure_not_a_refusal(conditions: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "prod").write_text("no directory")
    assert start(conditions["storage"]).returncode == 255
