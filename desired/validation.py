"""All hosts with all their instances, validated together."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from desired.clashes import Holding, clashes
from desired.defaults import resolve
from desired.errors import Invalid, Mistake, SlotStop
from desired.estate import Estate, Host
from desired.reading import Reading, read, unknown_keys
from desired.slots import allocate
from desired.sources import HostInput


def validate(inputs: Iterable[HostInput], held: Mapping[str, Mapping[str, int]], others: Collection[str] = ()) -> Estate:
    """The estate of every host that has `instances`. `held` is the slot file: host to instance to slot; `others` are keys
    of group_data that somebody else reads.

    Raises Invalid with all mistakes of all hosts.
    """
    sources = list(inputs)
    mistakes = [mistake for source in sources for mistake in unknown_keys(source, others)]
    hosts: list[Host] = []
    holdings: list[Holding] = []
    for source in sources:
        if not source.files("instances"):
            continue
        reading = read(source)
        mistakes += reading.mistakes
        holding = _holding(source, reading, held.get(source.name, {}), mistakes)
        holdings.append(holding)
        mistakes += _memory(source, reading, holding)
        if reading.data is not None and source.host_key is not None:
            hosts.append(Host(source.name, source.host_key, holding.instances, **dict(reading.data)))
    if not holdings:
        problem = 'no host has any; give the host\'s group a file with  instances = {"prod": {}}'
        mistakes.append(Mistake("group_data", "instances", problem))
    mistakes += clashes(holdings)
    if mistakes:
        raise Invalid(list(dict.fromkeys(mistakes)))
    return Estate(tuple(hosts))


def _holding(source: HostInput, reading: Reading, held: Mapping[str, int], mistakes: list[Mistake]) -> Holding:
    """The host's instances with their slots. While the host's own values are wrong, what follows from them is made up: it
    serves to find clashes between the instances in the same run."""
    file = source.file("instances")
    domain = reading.data.domain if reading.data else f"the domain of {source.name}"
    postgresql = reading.data.postgresql_port if reading.data else 0
    taken = {postgresql, *(data.port for data in reading.instances.values() if data.port)}
    try:
        slots = allocate(held, reading.instances, taken)
    except SlotStop as stop:
        mistakes.append(Mistake(file, "instances", str(stop)))
        return Holding(source.name, file, (), postgresql)
    instances = tuple(
        resolve(name, data, host=source.name, domain=domain, slot=slots[name]) for name, data in sorted(reading.instances.items())
    )
    return Holding(source.name, file, instances, postgresql)


def _memory(source: HostInput, reading: Reading, holding: Holding) -> Iterator[Mistake]:
    """The limits of what is enabled must fit into the host."""
    has = reading.data.host_memory if reading.data else None
    enabled = [item for item in holding.instances if item.enable]
    needed = sum(item.memory for item in enabled)
    if has is not None and needed > has:
        each = ", ".join(f"{item.name} {item.memory}" for item in enabled)
        problem = (
            f"the enabled instances may take {needed} MiB together ({each}); lower limits.memory or the profile of some, switch "
            "one off, or raise it"
        )
        yield Mistake(source.file("host_memory"), "host_memory", problem, value=str(has))
