"""A test host's insides by way of its namespaces: its pid 1, its file system, its network link. No SSH is involved."""

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .cache import MachineError
from .connection import result


@dataclass(frozen=True)
class Guest:
    """What up.sh recorded of the host `name` in `state`."""

    name: str
    state: Path

    def init(self) -> int:
        """This machine's process id of the guest's pid 1; MachineError where there is none."""
        try:
            nspawn = (self.state / "nspawn.pid").read_text().strip()
            children = Path(f"/proc/{nspawn}/task/{nspawn}/children").read_text().split()
        except OSError as error:
            raise MachineError(f"{self.name} is not up: {error}") from error
        if not children:
            raise MachineError(f"{self.name} is not up: no process inside")
        return int(children[0])

    def run(self, command: str, check: bool, timeout: float) -> subprocess.CompletedProcess[str]:
        """Runs a shell command as root, with the environment of a login."""
        init = self.init()
        login = Path(f"/proc/{init}/root/etc/environment").read_text().splitlines()
        done = subprocess.run(
            ["nsenter", f"--target={init}", "-m", "-u", "-i", "-n", "-p", "-C", "--", "/bin/bash", "-c", command],
            check=False,
            env={"HOME": "/root"} | dict(line.split("=", 1) for line in login),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
        )
        return result(f"{self.name}: {command}", done, check)

    def kill(self) -> int:
        """Kills everything inside at once and lets the supervisor boot it again; gives the id that pid 1 had."""
        init = self.init()
        (self.state / "again").touch()
        os.kill(init, signal.SIGKILL)
        return init

    def link(self, way: str) -> None:
        """Takes the network link `up` or `down`."""
        subprocess.run(["ip", "-n", f"sth-{self.name}", "link", "set", "host0", way], check=True, capture_output=True)
