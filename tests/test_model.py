import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from desired.model import InstanceData, merged

values = st.recursive(st.integers() | st.text(max_size=3), lambda inner: st.dictionaries(st.text(max_size=2), inner, max_size=3))
dictionaries = st.dictionaries(st.text(max_size=2), values, max_size=4)


def leaves(value: dict[str, Any], path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Path to value; an empty dictionary is a value too."""
    found: dict[tuple[str, ...], Any] = {}
    for key, item in value.items():
        found |= leaves(item, (*path, key)) if isinstance(item, dict) and item else {(*path, key): item}
    return found


@given(dictionaries, dictionaries)
def test_merged(defaults: dict[str, Any], value: dict[str, Any]) -> None:
    before = copy.deepcopy((defaults, value))
    result = merged(defaults, value)
    assert (defaults, value) == before, "both are left as they are"
    ours = leaves(value)
    assert all(leaves(result)[path] == item for path, item in ours.items() if item != {}), "what was written holds"
    known = {**leaves(defaults), **ours}
    assert all(known[path] == item for path, item in leaves(result).items()), "nothing else appears"
    assert merged(defaults, {}) == defaults
    assert merged({}, value) == value


def test_models_are_frozen() -> None:
    with pytest.raises(ValidationError):
        InstanceData().enable = False


@pytest.mark.parametrize("port", [1024, 8000, 19999, 29600, 65535, None])
def test_ports_at_the_edges(port: int | None) -> None:
    assert InstanceData.model_validate({"port": port}).port == port
