"""From pyinfra's inventory to the estate: every host is validated, whatever `--limit` says."""

import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pyinfra.api.host import Host as PyinfraHost
from pyinfra.api.inventory import Inventory
from pyinfra.connectors.ssh import ConnectorData

from desired.errors import Invalid, Mistake
from desired.estate import Estate
from desired.selection import selected_instance
from desired.sources import HostInput, Layer
from operations.site import Site, open_site, project
from workstation import known_hosts, sandbox, slot_file, validated

#: The keys of group_data that pyinfra reads.
_OTHERS = frozenset(ConnectorData.__annotations__)


def site_of(inventory: Inventory, host: PyinfraHost, keys: tuple[str, ...] = ("instance",)) -> Site | None:
    """What this run is to do on `host`; None when it has no instances or the one selected instance lives elsewhere.
    `keys`: what this deploy file reads of `--data`.

    Raises Invalid with all mistakes of all hosts and of `--data`, SlotStop for a slot file that cannot be trusted.
    """
    estate, only = _run(inventory, keys)
    mine = estate.host(str(host.name))
    return open_site(mine, only) if mine else None


def named_site(inventory: Inventory, host: PyinfraHost, keys: tuple[str, ...] = ()) -> Site | None:
    """`site_of` for a verb, which is about one instance and says so. Raises Invalid."""
    site = site_of(inventory, host, ("instance", *keys))
    if "instance" not in inventory.override_data:
        raise Invalid([Mistake("--data", "instance", "name the instance: --data instance=NAME")])
    return site


@cache
def _run(inventory: Inventory, keys: tuple[str, ...]) -> tuple[Estate, str | None]:
    """Once a process: pyinfra runs deploy.py for every host."""
    estate = load_estate(inventory)
    only = selected_instance(inventory.override_data, (item.name for item in estate.instances), keys)
    return estate, only


def load_estate(inventory: Inventory) -> Estate:
    """The validated estate of an inventory. One that was found right is kept as Python keeps its bytecode: not by a dry run."""
    inputs = host_inputs(inventory)
    question = validated.question(inputs, held_slots(inputs), _OTHERS)
    known = validated.recall(Path.cwd(), question) if question else None
    if known is not None:
        return known
    estate = estate_of(inputs)
    if question and not sys.dont_write_bytecode:
        validated.keep(Path.cwd(), question, estate)
    return estate


def host_inputs(inventory: Inventory) -> tuple[HostInput, ...]:
    """The data of every host, by name."""
    return tuple(host_input(inventory, host) for host in sorted(inventory, key=lambda host: str(host.name)))


def estate_of(inputs: Iterable[HostInput]) -> Estate:
    """The estate of what the inventory says, or would say."""
    from desired.validation import validate  # a run in which group_data is as before need not load it

    inputs = tuple(inputs)
    return validate(inputs, held_slots(inputs), _OTHERS)


def held_slots(inputs: Iterable[HostInput]) -> Mapping[str, Mapping[str, int]]:
    """Host to instance to slot."""
    held: dict[str, Mapping[str, int]] = {}
    for place in sorted({project(source.value("system")) for source in inputs}):
        held |= slot_file.read(place)
    return held


def host_input(inventory: Inventory, host: PyinfraHost) -> HostInput:
    """A host's data with the files it stands in, weakest first, as pyinfra merges them."""
    name = str(host.name)
    groups = [group for group in dict.fromkeys(host.groups) if group != "all"]
    layers = [
        Layer(_file("all"), inventory.data),
        *(Layer(_file(group), inventory.group_data.get(group, {})) for group in groups),
        Layer("inventory.py", inventory.host_data.get(name, {})),
    ]
    data: dict[str, Any] = {key: value for layer in layers for key, value in layer.data.items()}
    if data.get("system") == "sandbox":
        layers.insert(0, Layer(sandbox.DIRECTORY, sandbox.defaults()))
    key = sandbox.host_key() if data.get("system") == "sandbox" else _recorded(name, data)
    return HostInput(name, tuple(layer for layer in layers if layer.data), key)


def _file(group: str) -> str:
    """Where a group's data stand: its file, else beside its hosts."""
    file = f"group_data/{group}.py"
    return file if Path(file).exists() else "inventory.py"


def _recorded(name: str, data: Mapping[str, Any]) -> str | None:
    """The host's key in the known_hosts file that its connection is checked against. pyinfra refuses a wrong ssh_port."""
    path = Path(data.get("ssh_known_hosts_file") or "known_hosts").expanduser()
    port = data.get("ssh_port")
    return known_hosts.host_key(path, str(data.get("ssh_hostname") or name), port if isinstance(port, int) else 22)
