from graphlib import CycleError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired.graph import ordered, with_derived

FAMILY = {"jwt": (), "anon": ("jwt",), "service": ("jwt",), "db": (), "dbverifier": ("db",), "both": ("anon", "db")}


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    kinds = [f"k{number}" for number in range(draw(st.integers(1, 8)))]
    return {
        kind: tuple(draw(st.lists(st.sampled_from(kinds[:index]), unique=True)) if index else [])
        for index, kind in enumerate(kinds)
    }


def test_parents_come_first_and_the_order_is_always_the_same() -> None:
    assert ordered(FAMILY, reversed(FAMILY)) == ("db", "jwt", "anon", "dbverifier", "service", "both")
    assert ordered(FAMILY, ["service", "anon"]) == ("anon", "service")
    assert ordered(FAMILY, ["both", "jwt"]) == ("jwt", "both")
    with pytest.raises(KeyError, match="unknown"):
        ordered(FAMILY, ["jwt", "unknown"])


@pytest.mark.parametrize(
    ("renewed", "derived"),
    [
        ({"jwt"}, {"jwt", "anon", "service", "both"}),
        ({"anon"}, {"anon", "both"}),
        ({"service"}, {"service"}),
        ({"db"}, {"db", "dbverifier", "both"}),
        (set(), set()),
    ],
)
def test_regenerating_one_takes_all_derived_and_nothing_else(renewed: set[str], derived: set[str]) -> None:
    assert with_derived(FAMILY, renewed) == derived


@given(graphs(), st.data())
def test_any_graph(parents: dict[str, tuple[str, ...]], data: st.DataObject) -> None:
    order = ordered(parents, parents)
    assert sorted(order) == sorted(parents)
    assert all(order.index(parent) < order.index(kind) for kind in parents for parent in parents[kind])
    renewed = data.draw(st.sets(st.sampled_from(sorted(parents))))
    result = with_derived(parents, renewed)
    for kind in parents:
        assert (kind in result) == (kind in renewed or bool(result & set(parents[kind])))


def test_a_circle_is_refused() -> None:
    with pytest.raises(CycleError):
        ordered({"a": ("b",), "b": ("a",)}, ["a"])
