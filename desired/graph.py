"""Which kind of secret is made from which: the order to make them in, and what a new value takes with it."""

from collections.abc import Iterable, Mapping, Sequence
from graphlib import TopologicalSorter

Parents = Mapping[str, Sequence[str]]


def ordered(parents: Parents, kinds: Iterable[str]) -> tuple[str, ...]:
    """`kinds` with every parent before its children, the same on every machine.

    Raises graphlib.CycleError when kinds derive from each other, KeyError for a kind that `parents` does not have.
    """
    wanted = set(kinds)
    if unknown := wanted - parents.keys():
        raise KeyError(*unknown)
    sorter = TopologicalSorter({kind: parents[kind] for kind in sorted(parents)})
    sorter.prepare()
    result: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        result.extend(kind for kind in ready if kind in wanted)
        sorter.done(*ready)
    return tuple(result)


def with_derived(parents: Parents, kinds: Iterable[str]) -> frozenset[str]:
    """`kinds` and everything that is made from them, however far down."""
    result = set(kinds)
    if not result:
        return frozenset()
    for kind in ordered(parents, parents):
        if result.intersection(parents[kind]):
            result.add(kind)
    return frozenset(result)
