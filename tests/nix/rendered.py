"""What is read of a rendered unit."""

import re
import subprocess
from pathlib import Path

from tests.nix.evaluation import Json


def section(unit: str, key: str) -> list[str]:
    """The values of one key of a unit file."""
    return re.findall(rf"^{re.escape(key)}=(.*)$", unit, re.MULTILINE)


def starts(unit: str) -> list[str]:
    """The programs of ExecStartPre, then of ExecStart, without systemd's prefix."""
    return [line.lstrip("+").split()[0] for line in section(unit, "ExecStartPre") + section(unit, "ExecStart")]


def gateway_configuration(system: Json, name: str) -> str:
    """nginx.conf of an instance."""
    (start,) = section(system["units"][f"supabase-{name}.service"], "ExecStart")
    return Path(start.split()[-1]).read_text()


def script(path: str) -> list[str]:
    """The command that runs a script of the store."""
    return ["/bin/bash", path]


def run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "/nowhere"})
