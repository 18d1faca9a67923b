import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired.errors import SlotStop
from desired.numbers import SLOTS, public_port
from desired.slots import allocate

names = st.from_regex(r"[a-z][a-z0-9]{0,3}", fullmatch=True)
#: Instances with the slots they hold, no slot twice.
held_slots = st.dictionaries(names, st.integers(0, 40), max_size=12).filter(lambda held: len(set(held.values())) == len(held))
ports = st.frozensets(st.integers(public_port(0), public_port(40)), max_size=12)
wanted_names = st.frozensets(names, max_size=12)


@given(held_slots, wanted_names, ports)
def test_properties(held: dict[str, int], wanted: frozenset[str], taken: frozenset[int]) -> None:
    before = dict(held)
    slots = allocate(held, wanted, taken)
    new = {name: slot for name, slot in slots.items() if name not in held}
    assert held == before, "the input is left as it is"
    assert slots.keys() == wanted
    assert all(slots[name] == held[name] for name in wanted & held.keys()), "who holds a slot keeps it"
    assert len({**held, **slots}) == len(set({**held, **slots}.values())), "no slot twice, those of orphans included"
    assert not {public_port(slot) for slot in new.values()} & taken, "no port that somebody chose"
    usable = [slot for slot in range(SLOTS) if slot not in held.values() and public_port(slot) not in taken]
    assert [new[name] for name in sorted(new)] == usable[: len(new)], "the lowest free ones, by name"


@given(held_slots, wanted_names, ports)
def test_stable(held: dict[str, int], wanted: frozenset[str], taken: frozenset[int]) -> None:
    """The order of the input decides nothing, and what was given stays when it is asked for again, alone or with more."""
    slots = allocate(held, wanted, taken)
    assert allocate(dict(reversed(held.items())), sorted(wanted, reverse=True), sorted(taken)) == slots
    later = {**held, **slots}
    assert allocate(later, wanted | {"new"}, ()).items() >= slots.items()
    assert allocate(later, (), ()) == {}


def test_the_last_slot() -> None:
    held = {f"i{number}": number for number in range(SLOTS - 1)}
    assert allocate(held, ["last"]) == {"last": SLOTS - 1}
    with pytest.raises(SlotStop, match="instance z: all 600 slots of this host are taken; delete an instance first"):
        allocate(held, ["last", "z"])
    assert allocate(held, held) == held, "a full host still serves those it has"


def test_a_port_somebody_chose_closes_its_slot() -> None:
    with pytest.raises(SlotStop):
        allocate({}, ["a"], [public_port(slot) for slot in range(SLOTS)])
    assert allocate({"a": 0}, ["a"], [public_port(0)]) == {"a": 0}, "one that is held is for life: the clash is told elsewhere"
