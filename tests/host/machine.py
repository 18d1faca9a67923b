"""One throw-away NixOS-like machine: systemd, sshd, PostgreSQL, Nix, in namespaces of this machine (see up.sh)."""

import os
import secrets
import shlex
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from .cache import MachineError, cache_dir, reap, script, started
from .connection import Connection
from .guest import Guest

# stat and content of each path below the arguments; \0\n\0 between the two lists
SNAPSHOT = r"""
for tree; do [ -e "$tree" ] || [ -L "$tree" ] || continue; find "$tree" -printf '%p\t%y %#m %U:%G %l\0'; done
printf '\0\n\0'
for tree; do [ -e "$tree" ] || continue; find "$tree" -type f -print0; done | xargs -0 -r sha256sum -z || true
"""
# ends sshd's sessions, and waits until the peers have acknowledged the end
HANG_UP = r"""
pkill -KILL -f '^sshd(-session)?:'
for i in {1..200}; do
  [ -n "$(ss -Htn state established state fin-wait-1 '( sport = :22 )')" ] || exit 0
  sleep 0.02
done
exit 1
"""


@dataclass(frozen=True)
class Machine:
    """A running machine. `key` opens root's login; `known_hosts` pins the ed25519 host key made for this machine alone."""

    name: str
    ip: str
    state: Path
    key: Path
    known_hosts: Path
    port: int = 22

    @classmethod
    def start(
        cls, name: str | None = None, disk: bool = False, nixpkgs_lib: Path | None = None, agenix: Path | None = None
    ) -> "Machine":
        """A fresh machine that is `running`. Its changes live in memory, or with `disk` in the cache directory.

        `nixpkgs_lib` and `agenix` are directories (nixpkgs' lib; agenix' tree) that replace the miniature ones.
        Raises MachineError if it does not come up.
        """
        reap()
        name = name or f"t{secrets.token_hex(4)}"
        real = {"NIXPKGS_LIB": nixpkgs_lib, "AGENIX": agenix}
        env = {"UPPER": "disk" if disk else "tmpfs"} | {variable: str(path) for variable, path in real.items() if path}
        script("up.sh", name, env=env)
        state = cache_dir() / "run" / name
        (state / "owner").write_text(f"{os.getpid()} {started(os.getpid())}\n")
        machine = cls(name, (state / "ip").read_text().strip(), state, cache_dir() / "key", state / "known_hosts")
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

    @property
    def guest(self) -> Guest:
        """The way in that needs no network."""
        return Guest(self.name, self.state)

    @property
    def connection(self) -> Connection:
        """The kept SSH connection."""
        # a socket's path has at most 107 bytes, of which ssh wants 17 while it makes it
        near = self.state / "ssh"
        control = near if len(bytes(near)) <= 85 else Path("/run") / f"sth-{self.name}.ssh"
        return Connection(self.ip, self.port, self.key, self.known_hosts, control)

    def run(
        self, command: str, stdin: str | bytes | None = None, check: bool = True, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Runs a shell command as root over SSH.

        With `check` a status other than 0 raises MachineError with both streams. subprocess.TimeoutExpired after `timeout`
        seconds ends the command.
        """
        data = stdin.encode() if isinstance(stdin, str) else stdin or b""
        return self.connection.run(command, data, check, timeout)

    def console(self, command: str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Runs a shell command as root inside, also while the network is cut."""
        return self.guest.run(command, check, timeout)

    def put(self, path: str, content: str | bytes, mode: str = "0644") -> None:
        """Writes a file of root, and makes the directories above it."""
        to = shlex.quote(path)
        self.run(f"mkdir -p $(dirname {to}) && install -m {mode} /dev/stdin {to}", stdin=content)

    def pyinfra_data(self) -> dict[str, str | int]:
        """Host data with which pyinfra connects, the host key pinned."""
        return {
            "ssh_hostname": self.ip,
            "ssh_port": self.port,
            "ssh_user": "root",
            "ssh_key": str(self.key),
            "ssh_known_hosts_file": str(self.known_hosts),
            "ssh_strict_host_key_checking": "yes",
        }

    def snapshot(self, *trees: str) -> dict[str, str]:
        """What stands at and below the given paths: path -> type, mode, uid:gid, then sha256 of a file or a link's target.

        Missing trees are left out; times are not part of it.
        """
        stats, _, sums = self.run(f"set -- {shlex.join(trees)}\n{SNAPSHOT}").stdout.partition("\0\n\0")
        found = dict(entry.split("\t", 1) for entry in stats.split("\0") if entry)
        for entry in filter(None, sums.split("\0")):
            digest, path = entry.split("  ", 1)
            if path in found:  # a file may come or go while they are listed
                found[path] += digest
        return found

    def wait_running(self, timeout: float = 60, degraded: bool = False) -> None:
        """Waits until systemd has started everything; MachineError if not in time, or if a unit failed and not `degraded`."""
        end = time.monotonic() + timeout
        state = ""
        while state not in {"running", "degraded"} and (left := end - time.monotonic()) > 0:
            try:
                state = self.run("systemctl is-system-running --wait", check=False, timeout=left).stdout.strip()
            except subprocess.TimeoutExpired:
                break
            time.sleep(0 if state else 0.05)
        if state == "running" or (degraded and state == "degraded"):
            return
        why = (self.state / "console.log").read_text(errors="replace")[-2000:]
        if state == "degraded":
            why = self.run("systemctl --failed --no-pager; journalctl -b -p warning --no-pager | tail -30", check=False).stdout
        raise MachineError(f"{self.name} is not running but {state or 'silent'}\n{why}")

    def reboot(self, degraded: bool = False) -> None:
        """Reboots in good order and waits until it runs (as wait_running does)."""
        before = self.guest.init()
        self.run("systemctl reboot", check=False)
        self._back(before, degraded)

    def power_cut(self, degraded: bool = False) -> None:
        """Ends everything inside at once, boots what the file system holds, waits until it runs (as wait_running does)."""
        self._back(self.guest.kill(), degraded)

    def cut_network(self, reset: bool = False) -> None:
        """Takes the link down: packets of open connections vanish. With `reset` open SSH connections are ended before."""
        if reset:
            self.console(HANG_UP)
        self.guest.link("down")

    def restore_network(self) -> None:
        """Takes the link up and waits until sshd answers; open connections go on by themselves."""
        self.guest.link("up")
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                socket.create_connection((self.ip, self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise MachineError(f"{self.name}: sshd does not answer after the network came back")

    def stop(self) -> None:
        """Ends the machine and removes everything it was made of. A second call does nothing."""
        self.connection.close()
        script("down.sh", self.name)

    def _back(self, before: int, degraded: bool, timeout: float = 60) -> None:
        """Waits until another pid 1 than `before` has started everything."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            try:
                if self.guest.init() != before:
                    break
            except MachineError:
                pass
            time.sleep(0.02)
        self.connection.close()
        self.wait_running(max(1, end - time.monotonic()), degraded)
