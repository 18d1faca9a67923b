"""The repository as a flake."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.nix.evaluation import MODULE, REPOSITORY, Lab, available, instance, needs

CONFIGURATION = """{{
  constellation.supabase = {{
    enable = true;
    domain = "example.org";
    secretsDir = {secrets};
    instances.prod = {{ slot = 0; profile = "api"; }};
  }};
}}"""


def test_the_module_of_the_flake(tmp_path: Path) -> None:
    """Imported from there, it serves an instance that is written in Nix."""
    needs("nix", "nix-instantiate")
    flake, lab = tmp_path / "flake", Lab(tmp_path / "host")
    shutil.copytree(MODULE, flake / MODULE.relative_to(REPOSITORY))
    shutil.copy(REPOSITORY / "flake.nix", flake)
    found = subprocess.run(
        [
            *("nix", "--extra-experimental-features", "nix-command flakes", "eval", "--raw"),
            *("--apply", "toString", "--no-write-lock-file", f"path:{flake}#nixosModules.default"),
        ],
        env=os.environ | lab._store(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith(str(lab.store))
    lab.put("prod", instance("prod", 0))
    configuration = CONFIGURATION.format(secrets=lab.tree / "secrets")
    result = lab.evaluate(available(), configuration, modules=(found.stdout,))
    assert result["failed"] == []
    assert {"supabase-prod.service", "supabase-prod-rest.service"} <= set(result["system"]["units"])
