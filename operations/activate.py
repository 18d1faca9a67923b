"""Rebuild, second half: one operation a host, so that no host waits armed for another.

    arm       the host will return by itself to the system it runs
    switch    activate the built system; the boot default stays
    databases roles, databases and their content; then the units may start
    health    every selected instance answers, asked over a new connection
    confirm   boot default, the confirmed system; the way back is disarmed

A step that fails returns the host at once; a run that dies lets it return when the time is up.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pyinfra import logger
from pyinfra.api.command import FunctionCommand, StringCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State
from pyinfra.context import host

from desired.changes import Change
from desired.host_state import HostState, rebuild_reasons
from desired.tree import ObservedTree
from desired.units import unit_changes, units_of
from facts.health import Health, Probe, health_args, lightly, parse_health, unhealthy
from facts.module_tree import ModuleTree
from facts.script import guarded, run_script
from operations import databases, host_lock, way_back
from operations.announce import announce, note
from operations.connection import run, run_on_new_connection
from operations.site import Site
from operations.stops import Commands, fail, stops_host

#: Where a running system keeps the module tree it was built from.
SOURCE = "/run/current-system/etc/supabase/source"
#: How long instances may take until they answer after a change, and how long one that should answer is waited for.
START_SECONDS, ANSWER_SECONDS = 30, 3


@dataclass(frozen=True)
class Plan:
    """`before`: the instances that did not answer before this run, with the status seen."""

    system: HostState
    rebuild: bool
    sql: databases.Plan
    ready: tuple[str, ...]
    units: tuple[Change, ...]
    before: Mapping[str, str]

    @property
    def changes(self) -> tuple[Change, ...]:
        return (*self.sql.changes, *(Change(name, "create", "marker database-ready") for name in self.ready), *self.units)


@operation()
@stops_host
def activate(site: Site) -> Commands:
    """What runs on the host is what is wanted, and answers."""
    plan = _plan(site)
    for name, status in sorted(plan.before.items()):
        note(host, f"! {name}: does not answer (HTTP {status}); see  systemctl status supabase-{name}  on the host")
    announce(host, plan.changes)
    if not plan.rebuild and not plan.changes:
        if plan.before:
            yield FunctionCommand(fail, (f"unhealthy: {', '.join(sorted(plan.before))}",), {})
        else:
            host.noop("the wanted system runs and every instance answers")
        return
    yield from host_lock.hold(site, plan.system.epoch)
    if plan.rebuild:
        with way_back.told(host, site.host.data.way_back_seconds):
            yield host_lock.step(host, way_back.arm(site, host))
            yield _step(plan, run_script("unit_log", "activate"), "the activation failed")
            yield from _bring(site, plan)
            yield _step(plan, run_script("confirm"), "the new system could not become the boot default")
    else:
        yield from _bring(site, plan)
    if plan.before:
        yield FunctionCommand(_still_unhealthy, (site, plan), {})


def _bring(site: Site, plan: Plan) -> Commands:
    """Databases, units, health."""
    for command in databases.apply(site, _otherwise(plan, "the databases could not be brought forward")):
        yield host_lock.step(host, command)
    start = [change.what for change in plan.units if change.verb == "start"]
    if plan.ready or start:
        command = run_script("unit_log", "start", args=(" ".join(plan.ready), *start))
        yield _step(plan, command, "units did not start")
    yield FunctionCommand(_health, (site, plan), {})


def _step(plan: Plan, command: StringCommand, failure: str) -> StringCommand:
    """A step that, failing in an armed run, returns the host at once."""
    return host_lock.step(host, guarded(command, _otherwise(plan, failure)))


def _otherwise(plan: Plan, failure: str) -> str:
    return way_back.now(host, failure) if plan.rebuild else ""


def _health(state: State, host: Host, site: Site, plan: Plan) -> bool:
    """Every instance answers that answered before or is new; else the host returns."""
    probes = tuple(probe for probe in site.probes() if probe.name not in plan.before)
    success, lines = run_on_new_connection(state, host, run_script("health", args=health_args(probes, _patience(site))))
    broken = unhealthy(probes, parse_health(lines))
    if success and not broken:
        return True
    seen = [f"{name} answers HTTP {status}" for name, status in sorted(broken.items())]
    reason = "; ".join(seen if success else lines)
    fail(state, host, f"health: {reason}")
    if success:
        units = [unit for item in site.enabled if item.name in broken for unit in units_of(item)]
        _say(host, run_script("unit_log", "why", args=tuple(units)))
    if plan.rebuild:
        _say(host, StringCommand(_otherwise(plan, f"health was not seen: {reason}")))
    return False


def _patience(site: Site) -> int:
    """Seconds until an instance answers. What is left until the way back comes is for the return that a failure starts."""
    return min(START_SECONDS, site.host.data.way_back_seconds // 2)


def _say(host: Host, command: StringCommand) -> None:
    for line in run(host, command)[1]:
        logger.error(f"{host.print_prefix}{line}")


def _still_unhealthy(state: State, host: Host, site: Site, plan: Plan) -> bool:
    """The wanted state is live; instances that were broken before and still are fail the run all the same."""
    probes = tuple(probe for probe in site.probes() if probe.name in plan.before)
    _, lines = run(host, run_script("health", args=health_args(probes, _patience(site))))
    answers = unhealthy(probes, parse_health(lines))
    return not answers or fail(state, host, f"unhealthy as before this run: {', '.join(sorted(answers))}")


def _plan(site: Site) -> Plan:
    system = site.system()
    tree = site.tree()
    rebuild = bool(rebuild_reasons(system, tree))
    running = host.get_fact(ModuleTree, module_dir=SOURCE).tree if rebuild else None
    sql = databases.plan(site, starting=rebuild)
    ready = tuple(item.name for item in site.enabled if item.name not in system.ready)
    units = unit_changes(site.host, site.instances, tree, running, system.units)
    probes = _serving(site, system, running)
    if not (rebuild or sql.changes or ready or units):
        probes = lightly(probes)  # nothing changes, and the databases were just seen to be as wanted
        seen: dict[str, str] = site.fact(Health, probes=probes)
        probes = probes if unhealthy(probes, seen) else ()
    answers = host.get_fact(Health, probes=probes, wait=ANSWER_SECONDS) if probes else {}
    return Plan(system, rebuild, sql, ready, units, unhealthy(probes, answers))


def _serving(site: Site, system: HostState, running: ObservedTree | None) -> tuple[Probe, ...]:
    """The instances that should answer before anything changes, each asked as the running system has it.

    None while a run is unfinished: of what does not answer then, nobody knows whether that run is the reason.
    """
    if system.armed is not None or system.revision is None:
        return ()
    known = system.revision.instances.keys() & system.ready
    wanted = tuple(probe for probe in site.probes() if probe.name in known)
    if running is None:
        return wanted
    options = {probe.name: running.instances.get(probe.name, {}) for probe in wanted}
    return tuple(Probe.of(name, option) for name, option in options.items() if option.get("enable"))
