"""A new instance: its entry in group_data, from which everything else follows."""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pyinfra.api.command import FunctionCommand
from pyinfra.api.host import Host as PyinfraHost
from pyinfra.api.inventory import Inventory
from pyinfra.api.operation import operation
from pyinfra.api.state import State
from pyinfra.context import host, state

from desired import creation
from desired.changes import Change
from desired.creation import Placement
from desired.errors import Stop
from desired.estate import Estate
from operations import modules
from operations.announce import note
from operations.estate import estate_of, host_inputs
from operations.site import Site, open_site
from operations.stops import Commands, fail, stops_host
from workstation import group_file
from workstation.group_file import Edit


@dataclass(frozen=True)
class Creation:
    """`site`: the host as it is to be; `edit`: None when the entry stands there already."""

    name: str
    site: Site
    edit: Edit | None


def creation_of(inventory: Inventory, host: PyinfraHost) -> Creation | None:
    """What `--data` asks for; None on other hosts than the one it goes to.

    Raises Invalid with all mistakes of the estate as it would be, and Stop with the line to add where the file is not a plain
    one: before anything is written.
    """
    placement, estate, edit = _planned(inventory)
    mine = estate.host(str(host.name))
    if mine is None or mine.name != placement.host:
        return None
    site = open_site(mine, placement.name)
    assert site is not None, "the instance was placed here"
    # There is nobody yet whom a full run could disturb.
    if mine.system == "nixos" and len(mine.instances) == 1 and site.system().revision is None:
        site = open_site(mine, None) or site
    return Creation(placement.name, site, edit)


@cache
def _planned(inventory: Inventory) -> tuple[Placement, Estate, Edit | None]:
    """Once a process, like the estate of other runs."""
    placement = creation.placed(host_inputs(inventory), inventory.override_data)
    estate = estate_of(placement.inputs)
    item = next(item for item in estate.instances if item.name == placement.name)
    creation.check_again(placement, item)
    edit = group_file.adding(Path.cwd(), placement.file, placement.name, placement.entry) if placement.new else None
    return placement, estate, edit


@operation()
@stops_host
def entry(created: Creation) -> Commands:
    """The instance stands in group_data."""
    if created.edit is None:
        host.noop(f"{created.name} stands in group_data")
        return
    created.site.look()
    yield from modules.claim(created.site, [Change(created.name, "create", f"entry in {created.edit.file}")])
    yield FunctionCommand(write, (created.edit,), {})


def write(state: State, host: PyinfraHost, edit: Edit) -> bool:
    try:
        group_file.write(edit)
    except Stop as stop:
        return fail(state, host, str(stop))
    return True


@operation()
def told(created: Creation) -> Commands:
    """Say where the new instance and its keys are; never a key."""
    item = next(item for item in created.site.instances if item.name == created.name)
    files = f"{os.path.relpath(created.site.store.directory)}/supabase-{item.name}-*.age"
    if state.is_executing:
        note(host, f"  {item.name} is at {item.url}")
        note(host, f"  keys       just supabase-keys {item.name}   (the service key too: --service)")
        note(host, f"  secrets    {files}, for the operators and this host; commit them with slots.json")
    return
    yield
