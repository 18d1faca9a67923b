"""Rebuild, second half: one operation a host, so that no host waits armed for another.

    arm       the host will return by itself to the system it runs
    switch    activate the built system; the boot default stays
    databases roles, databases and their content; then the units may start
    health    every selected instance answers, asked over a new connection
    settle    what services have made in their databases is seen, and written down
    confirm   boot default, the confirmed system; the way back is disarmed

A step that fails returns the host at once; a run that dies lets it return when the time is up.
"""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from pyinfra import logger
from pyinfra.api.command import FunctionCommand, StringCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State
from pyinfra.context import host

from desired import names
from desired.changes import Change
from desired.host_state import HostState, rebuild_reasons
from desired.tree import ObservedTree
from desired.units import unit_changes
from facts.health import Answers, Health, Probe, Question, health_args, limited, parse_health, told, unhealthy
from facts.script import guarded, run_script
from operations import databases, host_lock, way_back
from operations.announce import announce, note
from operations.connection import ask, run, run_on_new_connection
from operations.site import Site
from operations.stops import Commands, fail, stops_host

#: How long instances may take until they answer after a change: with services in containers, which begin with migrations,
#: and without. And how long one that should answer is waited for.
CONTAINER_SECONDS, START_SECONDS, ANSWER_SECONDS = 90, 30, 3
_CONTAINERS = frozenset({"storage", "realtime", "meta", "studio"})


@dataclass(frozen=True)
class Plan:
    """`before`: the services that did not answer before this run, with what was seen."""

    system: HostState
    rebuild: bool
    sql: databases.Plan
    ready: tuple[str, ...]
    units: tuple[Change, ...]
    before: Answers

    @property
    def changes(self) -> tuple[Change, ...]:
        return (*self.sql.changes, *(Change(name, "create", "marker database-ready") for name in self.ready), *self.units)


@operation()
@stops_host
def activate(site: Site) -> Commands:
    """What runs on the host is what is wanted, and answers."""
    plan = _plan(site)
    site.remember(plan.sql.observed, plan.sql.as_wanted)
    for name, wrong in told(site.probes(), plan.before).items():
        note(host, f"! {name}: {wrong}; see  systemctl status supabase-{name}.slice  on the host")
    announce(host, plan.changes)
    if not plan.rebuild and not plan.changes:
        if plan.before and not site.removed:
            yield FunctionCommand(fail, (f"health: {_reason(site.probes(), plan.before)}",), {})
        else:
            host.noop("the wanted system runs and every instance answers")
        return
    yield from host_lock.hold(site, plan.system.epoch)
    if plan.rebuild:
        with way_back.told(host, site.host.way_back_seconds):
            yield host_lock.step(host, way_back.arm(site, host))
            unlent = _otherwise(plan, "realtime's login could not be prepared for its migrations", switched=False)
            for command in plan.sql.lend(unlent):
                yield host_lock.step(host, command)
            yield _step(plan, run_script("unit_log", "activate"), "the activation failed")
            yield from _bring(site, plan)
            yield _step(plan, run_script("confirm"), "the new system could not become the boot default")
    else:
        yield from _bring(site, plan)
    if plan.before and not site.removed:
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
    for command in plan.sql.settle(site, _otherwise(plan, "what services make in their databases was not made")):
        yield host_lock.step(host, command)


def _step(plan: Plan, command: StringCommand, failure: str) -> StringCommand:
    """A step that, failing in an armed run, returns the host at once."""
    return host_lock.step(host, guarded(command, _otherwise(plan, failure)))


def _otherwise(plan: Plan, failure: str, *, switched: bool = True) -> str:
    """What a failing step leaves behind it: nobody's right to grant on, and in an armed run the system of before.

    `switched`: services may have started, and migrated their databases, which nothing takes back."""
    back = [way_back.now(host, failure)] if plan.rebuild else []
    migrated = [upgrade.no_way_back for upgrade in plan.sql.upgrades] if switched else []
    told = [f"printf '%s\\n' {shlex.join(migrated)} >&2"] if migrated else []
    return "; ".join([*filter(None, [plan.sql.withdraw]), *back, *told])


def _health(state: State, host: Host, site: Site, plan: Plan) -> bool:
    """Every service answers that answered before or is new; else the host returns."""
    probes = limited(site.probes(), plan.before, inside=False)
    args = health_args(probes, _patience(site), light=False)
    success, lines = run_on_new_connection(state, host, run_script("health", args=args))
    broken = unhealthy(probes, parse_health(lines))
    if success and not broken:
        return True
    reason = _reason(probes, broken) if success else "; ".join(lines)
    fail(state, host, f"health: {reason}")
    if success:
        _say(host, run_script("unit_log", "why", args=_units(broken)))
    if otherwise := _otherwise(plan, f"health was not seen: {reason}"):
        _say(host, StringCommand(otherwise))
    return False


def _reason(probes: tuple[Probe, ...], broken: Answers) -> str:
    return "; ".join(f"{name}: {wrong}" for name, wrong in told(probes, broken).items())


def _units(broken: Iterable[Question]) -> tuple[str, ...]:
    """What may say why: the services and their gateways."""
    return tuple(dict.fromkeys(names.unit(name, kind) for name, service in broken for kind in (service, "gateway")))


def _patience(site: Site) -> int:
    """Seconds until every service answers. What is left until the way back comes is for the return that a failure starts."""
    containers = any(_CONTAINERS.intersection(probe.services) for probe in site.probes())
    return min(CONTAINER_SECONDS if containers else START_SECONDS, site.host.way_back_seconds // 2)


def _say(host: Host, command: StringCommand) -> None:
    for line in run(host, command)[1]:
        logger.error(f"{host.print_prefix}{line}")


def _still_unhealthy(state: State, host: Host, site: Site, plan: Plan) -> bool:
    """The wanted state is live; services that were broken before and still are fail the run all the same."""
    probes = limited(site.probes(), plan.before, inside=True)
    _, lines = run(host, run_script("health", args=health_args(probes, _patience(site), light=False)))
    broken = unhealthy(probes, parse_health(lines))
    return not broken or fail(state, host, f"health, as before this run: {_reason(probes, broken)}")


def _plan(site: Site) -> Plan:
    system = site.system()
    tree = site.tree()
    rebuild = bool(rebuild_reasons(system, tree))
    running = site.running_tree() if rebuild else None
    sql = databases.plan(site, starting=rebuild)
    ready = tuple(item.name for item in site.enabled if item.name not in system.ready)
    # What no new system stops, `removal.data` does.
    quiet = bool(site.removed) and not rebuild
    units = () if quiet else unit_changes(site.host, site.instances, tree, running, system.units)
    probes = _serving(site, system, running)
    light = not (rebuild or sql.changes or ready or units)
    if light:  # nothing changes, and the databases are as wanted, as seen now or before anybody wrote to them
        seen = site.fact(Health, probes=probes, light=True)
        probes = limited(probes, unhealthy(probes, seen), inside=True)
    answers = ask(Health, probes=probes, wait=ANSWER_SECONDS, light=light) if probes else {}
    # What has still to migrate is not expected to be healthy before, and must be after.
    migrating = {(item.name, "realtime") for item in sql.of("migrations")}
    migrating |= {(upgrade.instance, upgrade.service) for upgrade in sql.upgrades}
    before = {question: seen for question, seen in unhealthy(probes, answers).items() if question not in migrating}
    return Plan(system, rebuild, sql, ready, units, before)


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
