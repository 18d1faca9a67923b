"""Secrets: slots are claimed, missing secrets generated and encrypted, rules written. All on the workstation."""

from pyinfra.api.command import FunctionCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State
from pyinfra.context import host

from desired.changes import Change
from desired.errors import Invalid, Mistake, Stop
from desired.orphans import check_orphans
from desired.renewal import interruptions
from facts.module_tree import ModuleTree
from operations import modules
from operations.announce import announce, begin, note
from operations.site import Site
from operations.stops import Commands, fail, stops_host
from workstation import sandbox, slot_file


@operation()
@stops_host
def ensure(site: Site) -> Commands:
    """Every secret of the selected instances exists, encrypted to the operators and the host."""
    site.look()
    begin(host, site.renewal.stage or "")
    retired = site.retired()
    for item in site.instances:
        for text in interruptions(item, site.renewal, retires=item.name in retired):
            note(host, f"{item.name}: {text}")
        if site.renewal.stage == "retire" and item.name not in retired:
            note(host, f"{item.name}: the host has not run with the new keys yet: this run brings them, the next one can retire")
    if site.host.system == "nixos":
        check_orphans(site.host, site.fact(ModuleTree, module_dir=site.host.module_dir).tree.instances)
    changes = [*_sandbox(site), *_slots(site), *site.secrets().changes]
    if not changes:
        host.noop("secrets are as wanted")
        return
    yield from modules.claim(site, changes)
    yield FunctionCommand(_apply, (site,), {})


@operation()
@stops_host
def adopt(site: Site) -> Commands:
    """What a person changed with the agenix CLI is checked and taken over."""
    if site.only is None:
        raise Invalid([Mistake("--data", "instance", "name the instance whose secrets were changed: --data instance=NAME")])
    yield FunctionCommand(_adopt, (site,), {})


def _adopt(state: State, host: Host, site: Site) -> bool:
    try:
        for instance in site.instances:
            changes = site.store.adopt(site.host, instance)
            announce(host, changes)
            if not changes:
                note(host, f"{instance.name}: nothing was changed by hand")
    except Stop as stop:
        return fail(state, host, str(stop))
    return True


def _sandbox(site: Site) -> list[Change]:
    missing = sandbox.missing() if site.host.system == "sandbox" else ()
    return [Change(None, "create", f"sandbox {what}") for what in missing]


def _slots(site: Site) -> list[Change]:
    held = slot_file.read(site.project).get(site.host.name, {})
    return [Change(item.name, "create", f"slot {item.slot}") for item in site.instances if item.name not in held]


def _apply(state: State, host: Host, site: Site) -> bool:
    try:
        if site.host.system == "sandbox":
            sandbox.write()
        slot_file.claim(site.project, {site.host.name: {item.name: item.slot for item in site.instances}})
        hint = site.make_secrets()
    except Stop as stop:
        return fail(state, host, str(stop))
    except OSError as error:
        return fail(state, host, f"{error.filename}: {error.strerror}; nothing half-written is left, run again")
    if hint:
        note(host, hint)
    return True
