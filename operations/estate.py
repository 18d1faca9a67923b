"""From pyinfra's inventory to the estate: every host is validated, whatever `--limit` says."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pyinfra.api.host import Host as PyinfraHost
from pyinfra.api.inventory import Inventory

from desired.errors import Invalid, Mistake
from desired.estate import Estate, HostInput, Layer, validate
from desired.selection import selected_instance
from operations.site import Site, open_site, project
from workstation import known_hosts, sandbox, slot_file


def site_of(inventory: Inventory, host: PyinfraHost) -> Site | None:
    """What this run is to do on `host`; None when it has no instances or the one selected instance lives elsewhere.

    Raises Invalid with all mistakes of all hosts and of `--data`, SlotStop for a slot file that cannot be trusted.
    """
    estate, only = _run(inventory)
    mine = estate.host(str(host.name))
    return open_site(mine, only) if mine else None


@cache
def _run(inventory: Inventory) -> tuple[Estate, str | None]:
    """Once a process: pyinfra runs deploy.py for every host."""
    estate = load_estate(inventory)
    only = selected_instance(inventory.get_override_data(), (item.name for item in estate.instances))
    return estate, only


def load_estate(inventory: Inventory) -> Estate:
    """The validated estate of an inventory."""
    inputs = [host_input(inventory, host) for host in sorted(inventory, key=lambda host: str(host.name))]
    if not any(source.files("instances") for source in inputs):
        raise Invalid([Mistake("group_data", "instances", "no host has any; give the host's group a file with `instances = {...}`")])
    held: dict[str, Mapping[str, int]] = {}
    for place in sorted({project(source.value("system")) for source in inputs}):
        held |= slot_file.read(place)
    return validate(inputs, held)


def host_input(inventory: Inventory, host: PyinfraHost) -> HostInput:
    """A host's data with the files it stands in, weakest first, as pyinfra merges them."""
    name = str(host.name)
    layers = [Layer("group_data/all.py", inventory.get_data())]
    groups = [group for group in dict.fromkeys(host.groups) if group != "all"]
    layers += [Layer(f"group_data/{group}.py", inventory.get_group_data(group)) for group in groups]
    layers.append(Layer("inventory.py", inventory.get_host_data(name)))
    data: dict[str, Any] = {key: value for layer in layers for key, value in layer.data.items()}
    if data.get("system") == "sandbox":
        layers.insert(0, Layer(sandbox.DIRECTORY, sandbox.defaults()))
        return HostInput(name, tuple(layers), sandbox.host_key())
    path = Path(data.get("ssh_known_hosts_file") or "known_hosts")
    key = known_hosts.host_key(path, data.get("ssh_hostname") or name, int(data.get("ssh_port") or 22))
    return HostInput(name, tuple(layer for layer in layers if layer.data), key)
