"""The sandbox's own place on this machine: `.sandbox/` in the project, with a throw-away identity and host key."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from workstation import files, lock

DIRECTORY = ".sandbox"
#: Where a free port is looked for: below Linux' range of outgoing ports, away from PostgreSQL's usual 5432.
_PORTS = range(25432, 26432)


@dataclass(frozen=True)
class Keys:
    """OpenSSH texts. `private` is None for keys that are on disk already."""

    public: str
    private: bytes | None


def directory() -> Path:
    return Path.cwd() / DIRECTORY


def defaults() -> Mapping[str, Any]:
    """What group_data need not say for the sandbox."""
    return {
        "operators": [_keys("identity").public],
        "module_dir": str(directory() / "etc/nixos/supabase"),
        "identity": str(directory() / "identity"),
        "postgresql_port": _port(),
    }


def host_key() -> str:
    return _keys("host_key").public


def host_identity() -> Path:
    """The private key that stands for the host's SSH host key."""
    return directory() / "host_key"


def missing() -> tuple[str, ...]:
    """The files that `write` would make."""
    keys = [f"key {name}" for name in ("identity", "host_key") if _keys(name).private is not None]
    return (*keys, *(() if _port_file().exists() else ("PostgreSQL port",)))


def write() -> None:
    """Put what this process has chosen on disk; what is there stays. Raises Busy."""
    directory().mkdir(mode=0o700, exist_ok=True)
    lock.hold(directory())
    for name in ("identity", "host_key"):
        keys = _keys(name)
        if keys.private is not None:
            files.write_atomic(directory() / f"{name}.pub", f"{keys.public}\n".encode())
            files.write_atomic(directory() / name, keys.private, mode=0o600)
    if not _port_file().exists():
        files.write_atomic(_port_file(), f"{_port()}\n".encode())
    _keys.cache_clear()


def _port_file() -> Path:
    return directory() / "postgresql.port"


@cache
def _port() -> int:
    """The recorded port, else the first that nobody listens on: the database URLs hold it for good."""
    if _port_file().exists():
        return int(_port_file().read_text(encoding="utf-8"))
    # Each directory begins to look elsewhere: two that are made at one moment do not choose the same.
    start = int(sha256(os.fsencode(directory())).hexdigest(), 16) % len(_PORTS)
    ports: list[int] = [*_PORTS[start:], *_PORTS[:start]]
    for port in ports:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    return ports[0]


@cache
def _keys(name: str) -> Keys:
    """The pair on disk, or a new one that lives in this process only: a dry run writes nothing."""
    path = directory() / name
    if path.exists():
        return Keys(path.with_name(f"{name}.pub").read_text(encoding="utf-8").strip(), None)
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return Keys(public.decode(), private)
