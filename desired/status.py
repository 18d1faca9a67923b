"""How hosts and instances stand: the documents that `just supabase-status` prints. docs/status.md describes every field."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from desired.orphan_places import Orphan
from desired.secret_status import Rotation, SecretStatus

#: `off`: switched off, and so it is.
State = Literal["healthy", "unhealthy", "unknown", "off"]
#: ActiveState of a unit that runs.
RUNNING = ("active", "reloading")


@dataclass(frozen=True)
class ServiceStatus:
    """`unit`: ActiveState of its unit; `answer`: what it said through the gateway, None when it was not asked."""

    state: State
    unit: str | None
    answer: str | None


@dataclass(frozen=True)
class DatabaseStatus:
    """None where the host did not tell."""

    name: str
    exists: bool | None = None
    bytes: int | None = None
    connections: int | None = None
    limit: int | None = None


@dataclass(frozen=True)
class MemoryStatus:
    """Bytes of the instance's slice; `used` is None where the kernel does not count."""

    used: int | None
    limit: int


@dataclass(frozen=True)
class InstanceStatus:
    """`pending`: what a deploy would change, None where nobody can tell. `problems`: what makes it unhealthy, with next steps;
    `warnings`: what will, one day."""

    name: str
    state: State
    url: str
    slot: int
    port: int
    enabled: bool
    services: Mapping[str, ServiceStatus]
    database: DatabaseStatus
    memory: MemoryStatus
    secrets: tuple[SecretStatus, ...]
    rotation: Rotation | None
    pending: tuple[str, ...] | None
    problems: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class PostgresqlStatus:
    """`version`: as in server_version_num."""

    answers: bool | None = None
    version: int | None = None
    connections: int | None = None
    limit: int | None = None


@dataclass(frozen=True)
class HostStatus:
    """`reason`: why it is unknown. `pending`: what a deploy would change on the host itself. `returned`: that the last run
    was not confirmed."""

    name: str
    system: str
    state: State
    reason: str | None
    postgresql: PostgresqlStatus
    returned: str | None
    pending: tuple[str, ...] | None
    problems: tuple[str, ...]
    instances: tuple[InstanceStatus, ...]


@dataclass(frozen=True)
class Report:
    hosts: tuple[HostStatus, ...]
    orphans: tuple[Orphan, ...]

    @property
    def state(self) -> State:
        """An orphan is a problem: it holds names, ports and memory that nobody wants."""
        return "unhealthy" if self.orphans else worst(host.state for host in self.hosts)

    def document(self) -> dict[str, Any]:
        """For machines; keys are only ever added while `version` stays the same."""
        return {"version": 1, "state": self.state, **asdict(self)}


def worst(states: Iterable[State]) -> State:
    """Of several: the one to look at first."""
    order: tuple[State, ...] = ("unhealthy", "unknown", "healthy", "off")
    return min(states, key=order.index, default="healthy")
