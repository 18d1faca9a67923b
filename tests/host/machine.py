"""One throw-away NixOS-like machine: systemd, sshd, PostgreSQL, Nix, in namespaces of this machine (see up.sh)."""

import os
import secrets
import shlex
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from .cache import MachineError, cache_dir, reap, script, started

LOGIN = "root"


@dataclass(frozen=True)
class Machine:
    """A running machine. `key` opens root's login; `known_hosts` holds its own ed25519 host key, made at its first start."""

    name: str
    ip: str
    state: Path
    key: Path
    known_hosts: Path
    port: int = 22

    @classmethod
    def start(
        cls,
        name: str | None = None,
        disk: bool = False,
        nixpkgs_lib: Path | None = None,
        agenix: Path | None = None,
    ) -> "Machine":
        """A fresh machine, `running` (systemctl is-system-running). Its changes live in memory, or with `disk` in the cache.

        `nixpkgs_lib` and `agenix` are directories (nixpkgs' lib; agenix' tree) that replace the miniature ones.
        Raises MachineError if it does not come up.
        """
        reap()
        name = name or f"t{secrets.token_hex(4)}"
        env = {"UPPER": "disk" if disk else "tmpfs"}
        env |= {"NIXPKGS_LIB": str(nixpkgs_lib)} if nixpkgs_lib else {}
        env |= {"AGENIX": str(agenix)} if agenix else {}
        script("up.sh", name, env=env)
        state = cache_dir() / "run" / name
        (state / "owner").write_text(f"{os.getpid()} {started(os.getpid())}\n")
        ip = (state / "ip").read_text().strip()
        machine = cls(name, ip, state, cache_dir() / "key", state / "known_hosts")
        try:
            machine.wait_running()
        except BaseException:
            machine.stop()
            raise
        return machine

    @property
    def host_key(self) -> str:
        """The public host key: "ssh-ed25519 AAAA..."."""
        return self.known_hosts.read_text().split(" ", 1)[1].strip()

    def ssh_command(self) -> list[str]:
        """The ssh call that reaches the machine, without a command."""
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "5",
            "ControlMaster": "auto",
            "ControlPath": str(self._control),
            "ControlPersist": "yes",
            "LogLevel": "ERROR",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self.known_hosts),
        }
        flags = [f"-o{key}={value}" for key, value in options.items()]
        return ["ssh", "-F", "none", "-i", str(self.key), "-p", str(self.port), *flags, f"{LOGIN}@{self.ip}"]

    def run(
        self, command: str, stdin: str | bytes | None = None, check: bool = True, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Runs a shell command as root over the kept SSH connection, which is made anew where it broke.

        With `check` a status other than 0 raises MachineError with both streams. subprocess.TimeoutExpired after `timeout` seconds
        (of this machine's clock); the connection is then dropped, which ends the command.
        """
        data = stdin.encode() if isinstance(stdin, str) else stdin
        try:
            done = subprocess.run(
                [*self.ssh_command(), command],
                check=False,
                input=data if data is not None else b"",
                capture_output=True,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired:
            self.disconnect()
            raise
        return _checked(self, command, done, check)

    def console(
        self, command: str, check: bool = True, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Runs a shell command as root inside the machine without its network."""
        environment = dict(
            line.split("=", 1)
            for line in self._inside("/etc/environment").read_text().splitlines()
            if "=" in line
        )
        done = subprocess.run(
            [
                "nsenter",
                "-t",
                str(self._init()),
                "-m",
                "-u",
                "-i",
                "-n",
                "-p",
                "-C",
                "--",
                "/bin/bash",
                "-c",
                command,
            ],
            check=False,
            env=environment | {"HOME": "/root"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
        )
        return _checked(self, command, done, check)

    def put(self, path: str, content: str | bytes, mode: str = "0644") -> None:
        """Writes a file and the directories above it."""
        to = shlex.quote(path)
        self.run(f"mkdir -p $(dirname {to}) && install -m {mode} /dev/stdin {to}", stdin=content)

    def pyinfra_data(self) -> dict[str, str | int]:
        """Host data that lets pyinfra connect, with the host key pinned."""
        return {
            "ssh_hostname": self.ip,
            "ssh_port": self.port,
            "ssh_user": LOGIN,
            "ssh_key": str(self.key),
            "ssh_known_hosts_file": str(self.known_hosts),
            "ssh_strict_host_key_checking": "yes",
        }

    def snapshot(self, *trees: str) -> dict[str, str]:
        """What stands below the given paths: path -> type, mode, owner, group, and sha256 or link target.

        Missing trees are left out. Times and the contents of sockets, devices and pipes are not part of it.
        """
        listing = r"""
        for tree; do [ -e "$tree" ] || [ -L "$tree" ] || continue; find "$tree" -printf '%p\t%y %#m %U:%G %l\0'; done
        printf '\0\n\0'
        for tree; do [ -e "$tree" ] || continue; find "$tree" -type f -print0; done | xargs -0 -r sha256sum -z
        """
        stats, _, sums = self.run(f"set -- {shlex.join(trees)}\n{listing}").stdout.partition("\0\n\0")
        found = dict(entry.split("\t", 1) for entry in stats.split("\0") if entry)
        for entry in sums.split("\0"):
            if entry:
                digest, path = entry.split("  ", 1)
                found[path] += digest
        return found

    def wait_running(self, timeout: float = 60, state: str = "running") -> None:
        """Waits until systemd says that it is up; MachineError where it says anything but `state` (None: accept any)."""
        end = time.monotonic() + timeout
        said = "nothing"
        while time.monotonic() < end:
            try:
                done = self.run(
                    "systemctl is-system-running --wait", check=False, timeout=end - time.monotonic()
                )
            except subprocess.TimeoutExpired:
                break
            said = done.stdout.strip() or done.stderr.strip()
            if done.stdout.strip() == state:
                return
            if done.stdout.strip() in {"degraded", "maintenance"}:
                said += (
                    "\n"
                    + self.run(
                        "systemctl --failed --no-pager; journalctl -b -p warning --no-pager | tail -30"
                    ).stdout
                )
                break
            time.sleep(0.05)
        console = (self.state / "console.log").read_text(errors="replace")[-2000:]
        raise MachineError(f"{self.name} is not {state}: {said}\n{console}")

    def reboot(self) -> None:
        """Reboots in good order and waits until it runs."""
        before = self._init()
        self.run("systemctl reboot", check=False)
        self._back(before)

    def power_cut(self) -> None:
        """Kills everything inside at once, starts it again from what its file system holds, waits until it runs."""
        before = self._init()
        (self.state / "again").touch()
        os.kill(before, signal.SIGKILL)
        self._back(before)

    def cut_network(self, reset: bool = False) -> None:
        """Takes the machine's link down: packets of existing connections vanish. With `reset` those of SSH are closed first."""
        if reset:
            self.console("pkill -KILL -f '^sshd(-session)?:'", check=False)
        self._link("down")

    def restore_network(self) -> None:
        """Takes the link up and waits until sshd answers; connections that were not closed meanwhile go on by themselves."""
        self._link("up")
        end = time.monotonic() + 10
        while True:
            try:
                socket.create_connection((self.ip, self.port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def disconnect(self) -> None:
        """Drops the kept SSH connection; the next run makes a new one."""
        subprocess.run(
            [*self.ssh_command(), "-O", "exit"], check=False, stdin=subprocess.DEVNULL, capture_output=True
        )

    def stop(self) -> None:
        """Ends the machine and removes everything it was made of. A second call does nothing."""
        self.disconnect()
        script("down.sh", self.name)

    @property
    def _control(self) -> Path:
        # a socket's path is at most 107 bytes, and ssh appends 17 while it makes it
        path = self.state / "ssh"
        return path if len(bytes(path)) <= 85 else Path("/run") / f"sth-{self.name}.ssh"

    def _nspawn(self) -> int:
        return int((self.state / "nspawn.pid").read_text())

    def _init(self) -> int:
        """This machine's process id of the guest's pid 1; MachineError where there is none."""
        try:
            pid = self._nspawn()
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except (OSError, ValueError) as error:
            raise MachineError(f"{self.name} is not up: {error}") from error
        if not children:
            raise MachineError(f"{self.name} is not up: no process inside")
        return int(children[0])

    def _inside(self, path: str) -> Path:
        return Path(f"/proc/{self._init()}/root{path}")

    def _link(self, way: str) -> None:
        subprocess.run(
            ["ip", "-n", f"sth-{self.name}", "link", "set", "host0", way], check=True, capture_output=True
        )

    def _back(self, before: int, timeout: float = 60) -> None:
        """Waits until another pid 1 than `before` runs."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            try:
                if self._init() != before:
                    break
            except MachineError:
                pass
            time.sleep(0.02)
        self.disconnect()
        self.wait_running(max(1, end - time.monotonic()))


def _checked(
    machine: Machine, command: str, done: "subprocess.CompletedProcess[bytes]", check: bool
) -> subprocess.CompletedProcess[str]:
    result = subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    )
    if check and result.returncode != 0:
        raise MachineError(
            f"{machine.name}: ended with {result.returncode}: {command}\n{result.stdout}{result.stderr}"
        )
    return result
