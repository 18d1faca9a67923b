"""Which slot an instance gets: the lowest that nobody on its host holds and whose public port nobody took by hand."""

from collections.abc import Iterable, Mapping

from desired.errors import SlotStop
from desired.numbers import SLOTS, public_port


def allocate(held: Mapping[str, int], wanted: Iterable[str], ports_taken: Iterable[int] = ()) -> dict[str, int]:
    """The slots of `wanted`, new ones included; `held` maps instance to slot and is never changed.

    Instances are served in alphabetical order, so the same input gives the same slots on every machine.
    Raises SlotStop when the host has no slot left.
    """
    used = set(held.values())
    closed = set(ports_taken)
    free = (slot for slot in range(SLOTS) if slot not in used and public_port(slot) not in closed)
    slots: dict[str, int] = {}
    for name in sorted(wanted):
        slot = held.get(name)
        if slot is None:
            slot = next(free, None)
        if slot is None:
            raise SlotStop(f"instance {name}: all {SLOTS} slots of this host are taken; delete an instance first")
        slots[name] = slot
    return slots
