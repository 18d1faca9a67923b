"""From what a host and the project tell to how the host and its instances stand."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from desired.answer import FULL, Answer, Pending
from desired.cluster_state import Observed
from desired.estate import Host
from desired.instance import Instance
from desired.instance_status import instance_status
from desired.sidecar import Sidecar
from desired.status import HostStatus, PostgresqlStatus, State, worst


def host_status(
    host: Host,
    instances: tuple[Instance, ...],
    answer: Answer | str,
    pending: Pending,
    sidecars: Mapping[str, Sidecar | None],
    now: datetime,
) -> HostStatus:
    """`instances`: those that are reported; `answer`: why there is none; `sidecars`: all that the project has."""
    told = None if isinstance(answer, str) else answer
    found = tuple(instance_status(item, host, told, pending, sidecars, now) for item in instances)
    problems = tuple(_host_problems(told, pending)) if told else ()
    own: State = "unhealthy" if problems else "healthy" if told else "unknown"
    server = told.usage.server if told else None
    return HostStatus(
        name=host.name,
        system=host.system,
        state=worst([own, *(item.state for item in found)]),
        reason=None if told else str(answer),
        postgresql=PostgresqlStatus(
            answers=isinstance(told.cluster, Observed) if told else None,
            version=server.version if server else None,
            connections=server.connections if server else None,
            limit=server.max_connections if server else None,
        ),
        returned=told.system.returned if told and told.system else None,
        pending=pending.of(None) if told else None,
        problems=problems,
        instances=found,
    )


def _host_problems(told: Answer, pending: Pending) -> Iterator[str]:
    if not isinstance(told.cluster, Observed):
        see = "`systemctl status postgresql` there says why" if told.system else "`just deploy` starts it"
        yield f"PostgreSQL does not answer: {told.cluster.reason}; {see}"
    server = told.usage.server
    if server and server.connections >= FULL * server.max_connections:
        yield f"PostgreSQL has {server.connections} of {server.max_connections} connections"
    if told.system and told.system.armed:
        yield f"the way back is armed since {told.system.armed}: that run is at work, or has ended before health was seen"
    if "" in pending.stops and isinstance(told.cluster, Observed):  # else for that very reason
        yield f"a deploy would stop: {pending.stops['']}"
