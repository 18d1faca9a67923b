"""Every kind of host: profile, `media.gateway`, agenix or another's secrets, channel or flake. What does not depend on a kind is
the same in all of them."""

import json
import os
import re
import subprocess
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.nix.evaluation import Json, Lab, available, instance
from tests.nix.test_module_edge import ENABLED, with_gateway
from tests.nix.test_module_services import UNITS, of

SECRETS = ("jwtSecret", "anonKey", "serviceKey", "databaseUrl", "realtimeSecret", "dashboardPassword", "metaKey", "s3Key")


def in_flake(lab: Lab) -> str:
    """The tree as a flake's own source: a directory of the store, with a file beside it that has nothing to do with it."""
    (lab.directory / "README").write_text("of the flake")
    expression = f'"${{builtins.path {{ path = {lab.directory}; name = "source"; filter = p: _: baseNameOf p != "nix"; }}}}/tree"'
    command = ["nix-instantiate", "--eval", "--read-write-mode", "--json", "-E", expression]
    done = subprocess.run(command, env=os.environ | lab._store(), capture_output=True, text=True, check=True)
    path: str = json.loads(done.stdout)
    assert path.startswith(str(lab.store))
    return path


def plain(units: dict[str, str], directory: Path) -> dict[str, str]:
    """Without the place of the private store, and without the digests that follow from it."""
    return {name: re.sub(r"/nix/store/\w{32}-", "", text.replace(str(directory), "")) for name, text in units.items()}


def host(lab: Lab, profile: str, *, gateway: bool, agenix: bool, flake: bool) -> Json:
    lab.host(**({"edge": None} if gateway else {}))
    changes: dict[str, Any] = {}
    if not agenix:
        changes = {option: f"/run/secrets/{option}" for option in SECRETS}
        changes["secrets"] = [path for path in changes.values() if isinstance(path, str)]
    lab.put("prod", instance("prod", 0, profile) | changes)
    (lab.tree / "instances/dev.json").unlink()
    configuration = with_gateway(ENABLED) if gateway else "{ }"
    modules = (in_flake(lab) if flake else "default.nix",)
    return lab.evaluate(available(), configuration, modules=modules, agenix=agenix)


@pytest.mark.parametrize(
    ("profile", "gateway", "agenix"),
    [*product(("api", "app", "full"), (False, True), (False, True))],
    ids=lambda value: value if isinstance(value, str) else str(int(value)),
)
def test_every_kind_of_host(lab: Lab, tmp_path: Path, profile: str, gateway: bool, agenix: bool) -> None:
    result = host(lab, profile, gateway=gateway, agenix=agenix, flake=False)
    assert result["failed"] == []
    system = result["system"]
    on = {service for service, is_on in instance("prod", 0, profile)["services"].items() if is_on}
    assert of(system, "prod") == {unit for service in on for unit in UNITS[service]}
    entries = system["edge"]["gateway"]
    assert (set(entries) if entries is not None else None) == ({"supabase-prod"} if gateway else None)
    if agenix:
        assert set(system["age"]) == set(instance("prod", 0, profile)["secrets"])
    else:
        assert system["age"] is None
        assert "/run/agenix" not in json.dumps(system["units"])

    other = Lab(tmp_path / "flake")
    other.put("dev", instance("dev", 1))
    as_flake = host(other, profile, gateway=gateway, agenix=agenix, flake=True)
    assert as_flake["failed"] == []
    here, there = (plain(found["system"]["units"], of.directory) for found, of in ((result, lab), (as_flake, other)))
    assert here == there
    named = json.dumps(as_flake["system"]["units"])
    assert "-source" not in named, "a unit that names the flake's source restarts with every change of any file"
    assert as_flake["system"]["users"] == system["users"]
    assert as_flake["system"]["revision"] == system["revision"]
