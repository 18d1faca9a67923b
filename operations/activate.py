"""Rebuild, second half: one operation a host, so that no host waits armed for another.

    arm       the host will return by itself to the system it runs
    switch    activate the built system; the boot default stays
    databases roles, databases and their content; then the units may start
    health    every selected instance answers, asked over a new connection
    confirm   boot default, the confirmed system; the way back is disarmed

A step that fails returns the host at once; a run that dies lets it return when the time is up.
"""

import shlex
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
from desired.units import unit_changes
from facts.health import Health, health_args, parse_health, unhealthy
from facts.host_state import RunningSystem
from facts.module_tree import ModuleTree
from facts.script import guarded, run_script
from operations import databases, host_lock
from operations.announce import announce, note
from operations.connection import run, run_on_new_connection
from operations.site import Site
from operations.stops import Commands, fail, stops_host
from workstation.templates import host_script

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
        args = (str(site.host.data.way_back_seconds), site.host.data.module_dir, host_lock.who())
        yield run_script("arm", args=args, stdin=host_script("restore", "way_back"))
        yield guarded(run_script("activate"), _return("the activation failed"))
    yield from databases.apply(site, _return("the databases could not be brought forward") if plan.rebuild else "")
    start = [change.what for change in plan.units if change.verb == "start"]
    if plan.ready or start:
        command = run_script("start", args=(" ".join(plan.ready), *start))
        yield guarded(command, _return("units did not start") if plan.rebuild else "")
    yield FunctionCommand(_health, (site, plan), {})
    if plan.rebuild:
        yield run_script("confirm")
    if plan.before:
        yield FunctionCommand(_still_unhealthy, (site, plan), {})


def _return(reason: str) -> str:
    """Shell text that returns the host now. It runs as a unit, so that it outlives this connection."""
    command = ["/bin/sh", "/var/lib/supabase/way-back/return.sh", reason]
    unit = "systemd-run --quiet --collect --wait --pipe --unit=supabase-way-back-now"
    return f'{unit} --setenv=PATH="$PATH" {shlex.join(command)} >&2'


def _health(state: State, host: Host, site: Site, plan: Plan) -> bool:
    """Every instance answers that answered before or is new; else the host returns."""
    probes = site.probes()
    success, lines = run_on_new_connection(state, host, run_script("health", args=health_args(probes, START_SECONDS)))
    answers = unhealthy(probes, parse_health(lines))
    broken = {name: status for name, status in answers.items() if name not in plan.before}
    if success and not broken:
        return True
    reason = "; ".join([f"{name} answers HTTP {status}" for name, status in sorted(broken.items())] if success else lines)
    fail(state, host, f"health: {reason}")
    if plan.rebuild:
        for line in run(host, StringCommand(_return("health was not seen")))[1]:
            logger.error(f"{host.print_prefix}{line}")
    return False


def _still_unhealthy(state: State, host: Host, site: Site, plan: Plan) -> bool:
    """The wanted state is live; instances that were broken before and still are fail the run all the same."""
    probes = tuple(probe for probe in site.probes() if probe[0] in plan.before)
    answers = unhealthy(probes, parse_health(run(host, run_script("health", args=health_args(probes, 0)))[1]))
    return not answers or fail(state, host, f"unhealthy as before this run: {', '.join(sorted(answers))}")


def _plan(site: Site) -> Plan:
    system = host.get_fact(RunningSystem)
    tree = site.tree()
    rebuild = bool(rebuild_reasons(system, tree))
    running = host.get_fact(ModuleTree, module_dir=SOURCE).tree if rebuild else None
    served = system.revision.instances if system.revision else {}
    probes = tuple(probe for probe in site.probes() if probe[0] in served and probe[0] in system.ready)
    answers = host.get_fact(Health, probes=probes, wait=ANSWER_SECONDS) if probes else {}
    return Plan(
        system=system,
        rebuild=rebuild,
        sql=databases.plan(site, starting=rebuild),
        ready=tuple(item.name for item in site.enabled if item.name not in system.ready),
        units=unit_changes(site.host, site.instances, tree, running, system.units),
        before=unhealthy(probes, answers),
    )
