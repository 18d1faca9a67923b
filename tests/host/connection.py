"""A kept SSH connection to a test host, as OpenSSH's control master: a command over it costs about 15 ms."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from .cache import MachineError


def result(what: str, done: "subprocess.CompletedProcess[bytes]", check: bool) -> subprocess.CompletedProcess[str]:
    """The same with text; MachineError with both streams if `check` and the status is not 0."""
    out, err = (stream.decode(errors="replace") for stream in (done.stdout, done.stderr))
    if check and done.returncode != 0:
        raise MachineError(f"{what} ended with {done.returncode}:\n{out}{err}")
    return subprocess.CompletedProcess(done.args, done.returncode, out, err)


@dataclass(frozen=True)
class Connection:
    """How to reach root's login; the connection itself is made by the first command, and anew where it broke."""

    ip: str
    port: int
    key: Path
    known_hosts: Path
    control: Path

    def command(self) -> list[str]:
        """The ssh call, without what to run."""
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "5",
            "ControlMaster": "auto",
            "ControlPath": self.control,
            "ControlPersist": "yes",
            "IdentitiesOnly": "yes",
            "LogLevel": "ERROR",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": self.known_hosts,
        }
        flags = [f"-o{name}={value}" for name, value in options.items()]
        return ["ssh", "-F", "none", "-i", str(self.key), "-p", str(self.port), *flags, f"root@{self.ip}"]

    def run(self, command: str, stdin: bytes, check: bool, timeout: float) -> subprocess.CompletedProcess[str]:
        """Runs a shell command. subprocess.TimeoutExpired drops the connection, which ends the command."""
        try:
            done = subprocess.run([*self.command(), command], check=False, input=stdin, capture_output=True, timeout=timeout)
        except subprocess.TimeoutExpired:
            self.close()
            raise
        return result(f"{self.ip}: {command}", done, check)

    def close(self) -> None:
        """Drops the connection, if there is one."""
        subprocess.run([*self.command(), "-O", "exit"], check=False, stdin=subprocess.DEVNULL, capture_output=True)
