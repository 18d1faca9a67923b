"""From what a host and the project tell to how one instance stands."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from desired import names
from desired.answer import FULL, Answer, Pending
from desired.cluster_state import Observed
from desired.estate import Host
from desired.instance import Instance
from desired.secret_status import rotation, secret_problems, secret_statuses, secret_warnings
from desired.sidecar import Sidecar
from desired.status import RUNNING, DatabaseStatus, InstanceStatus, MemoryStatus, ServiceStatus, State
from desired.units import units_of

_SAID = {"000": "does not answer", "unhealthy": "says that it is unhealthy"}


def instance_status(
    item: Instance, host: Host, told: Answer | None, pending: Pending, sidecars: Mapping[str, Sidecar | None], now: datetime
) -> InstanceStatus:
    """`told`: None while the host has not answered; `sidecars`: all that the project has."""
    system = told.system if told else None
    deployed = bool(system and system.revision and item.name in system.revision.instances)
    secrets = secret_statuses(item, sidecars, host.recipients, told.usage if system and told and item.enable else None, now)
    services = _services(item, told) if told and system else {}
    database, memory = _database(item, told), _memory(item, told)
    problems = [f"a deploy would stop: {pending.stops[item.name]}"] if item.name in pending.stops else []
    if told:
        problems += _service_problems(item, told, services, deployed) if system else []
        if database.exists is False and not (system and not deployed):
            problems.append(f"its database {database.name} does not exist; `just deploy` makes what is missing")
        if database.limit and database.limit > 0 and (database.connections or 0) >= FULL * database.limit:
            problems.append(f"its database has {database.connections} of {database.limit} connections")
    problems += secret_problems(item, secrets, deployed=deployed)
    known = told is not None and isinstance(told.cluster, Observed)
    state: State = "unhealthy" if problems else "unknown" if not known else "healthy" if item.enable else "off"
    return InstanceStatus(
        name=item.name,
        state=state,
        url=item.url,
        slot=item.slot,
        port=item.port,
        enabled=item.enable,
        services=services,
        database=database,
        memory=memory,
        secrets=secrets,
        rotation=rotation(item.name, sidecars, now),
        pending=pending.of(item.name) if told else None,
        problems=tuple(problems),
        warnings=tuple(secret_warnings(item, secrets)),
    )


def _services(item: Instance, told: Answer) -> dict[str, ServiceStatus]:
    """By the name of their units."""
    assert told.system
    asked = {service: seen for (name, service), seen in told.health.items() if name == item.name}
    on = {"gateway": True, **{"rest" if name == "rest_api" else name: yes for name, yes in item.services.items()}}
    found = {}
    for service, yes in on.items():
        unit = told.system.units.get(names.unit(item.name, service))
        answer = asked.get(service, "000" if yes and service != "imgproxy" else None)
        if not (yes and item.enable):
            found[service] = ServiceStatus("off", unit, None)
        else:
            state: State = "healthy" if unit in RUNNING and answer in ("ok", None) else "unhealthy"
            found[service] = ServiceStatus(state, unit, answer)
    return found


def _service_problems(item: Instance, told: Answer, services: Mapping[str, ServiceStatus], deployed: bool) -> Iterator[str]:
    assert told.system
    units = {names.unit(item.name, service): status for service, status in services.items()}
    if not item.enable:
        running = [unit for unit, status in units.items() if status.unit in RUNNING]
        if running:
            yield f"it is switched off, but {', '.join(running)} runs; `just deploy` stops it"
        return
    if not deployed:
        yield "it is not on the host yet; `just deploy` brings it there"
        return
    silent = services["gateway"].answer == "000"
    if silent:
        yield f"its gateway does not answer on 127.0.0.1:{item.port}; on the host: systemctl status supabase-{item.name}"
    for service, status in services.items():
        trouble = [] if status.unit in RUNNING or status.state == "off" else [f"its unit is {status.unit or 'not there'}"]
        if status.answer not in ("ok", None) and not silent:
            trouble.append(_SAID.get(str(status.answer), f"answers HTTP {status.answer}"))
        if trouble:
            unit = names.unit(item.name, service).removesuffix(".service")
            yield f"{service}: {', '.join(trouble)}; on the host: journalctl -u {unit}"
    for unit in units_of(item):
        if unit not in units and (seen := told.system.units.get(unit)) not in RUNNING:
            yield f"{unit} is {seen or 'not there'}; on the host: journalctl -u {unit}"


def _database(item: Instance, told: Answer | None) -> DatabaseStatus:
    if told is None or not isinstance(told.cluster, Observed):
        return DatabaseStatus(item.database)
    use = told.usage.server.databases.get(item.database) if told.usage.server else None
    exists = item.database in told.cluster.databases
    if use is None:
        return DatabaseStatus(item.database, exists)
    return DatabaseStatus(item.database, exists, use.bytes, use.connections, use.limit)


def _memory(item: Instance, told: Answer | None) -> MemoryStatus:
    """The limit is what the running slice has; what it will have while there is none."""
    seen = told.usage.memory.get(f"supabase-{item.name}.slice") if told else None
    return MemoryStatus(seen.used if seen else None, seen.limit if seen and seen.limit else item.memory * 2**20)
