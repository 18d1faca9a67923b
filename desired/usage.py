"""What the instances of a host use and hold, as `templates/host/status.sh` and `templates/sql/status.sql` tell it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

#: Where a host keeps its decrypted secrets.
SECRETS = "/run/agenix"


@dataclass(frozen=True)
class Memory:
    """Bytes; None where the kernel does not count, or nothing is limited."""

    used: int | None
    limit: int | None


@dataclass(frozen=True)
class DatabaseUse:
    """`limit`: of connections, -1 is none."""

    bytes: int
    connections: int
    limit: int


@dataclass(frozen=True)
class ServerUse:
    """`version`: as in server_version_num."""

    version: int
    connections: int
    max_connections: int
    databases: Mapping[str, DatabaseUse]


@dataclass(frozen=True)
class Usage:
    """`server`: None while PostgreSQL does not answer. `memory`: by slice. `data`: the directories in /var/lib/supabase.

    `secrets`: names of those that are decrypted, `demo`: of those with a value that everybody knows."""

    server: ServerUse | None = None
    memory: Mapping[str, Memory] = field(default_factory=dict)
    data: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()
    demo: frozenset[str] = frozenset()


def parse_usage(lines: Iterable[str]) -> Usage:
    """From the lines of both. Raises ValueError, KeyError, TypeError or AttributeError when they are something else."""
    server = None
    memory: dict[str, Memory] = {}
    found: dict[str, set[str]] = {"data": set(), "secret": set(), "demo": set()}
    properties: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(" ")
        if line.startswith("{"):
            server = _server(json.loads(line))
        elif key in found:
            found[key].add(value.removeprefix(f"{SECRETS}/"))
        elif key == "slice":
            name, _, amount = value.partition("=")
            if name in properties or not name:
                properties = {}
            properties[name] = amount
            if "Id" in properties:
                memory[properties["Id"]] = Memory(_bytes(properties.get("MemoryCurrent")), _bytes(properties.get("MemoryMax")))
    return Usage(server, memory, frozenset(found["data"]), frozenset(found["secret"]), frozenset(found["demo"]))


def _server(document: Mapping[str, Any]) -> ServerUse:
    databases = {name: DatabaseUse(**use) for name, use in document["databases"].items()}
    return ServerUse(**{**document, "databases": databases})


def _bytes(text: str | None) -> int | None:
    """systemd prints words, or the highest number there is, for what is not known or not limited."""
    return int(text) if text is not None and text.isdecimal() and int(text) < 2**63 else None
