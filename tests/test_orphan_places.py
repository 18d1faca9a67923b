"""Orphans: wherever something is left of an instance that nobody names."""

from dataclasses import replace
from typing import Any

import pytest

from desired.cluster_state import Absent, Observed, ObservedDatabase, ObservedRole
from desired.host_state import parse_state
from desired.orphan_places import Orphan, on_host, orphans
from desired.revision import Revision
from desired.sidecar import Sidecar
from desired.tree import ObservedTree
from desired.usage import Usage
from tests.test_secret_status import sidecar

BARE = parse_state(())
TREE = ObservedTree({}, {}, {})
EMPTY = Observed(170000, {}, (), frozenset(), frozenset(), frozenset(), {}, {}, {})


def role(comment: str | None) -> ObservedRole:
    flags = (True, True, False, False, False, False, False)
    return ObservedRole("some_role", comment, *flags, 1, False, False, None, (), frozenset())


def database(comment: str | None) -> ObservedDatabase:
    return ObservedDatabase("some_database", comment, "postgres", True, "UTF8", 45, True, False, (), {})


def units(**states: str) -> Any:
    return replace(BARE, units={f"supabase-{name.replace('__', '-').replace('_', '.')}": state for name, state in states.items()})


def comments(database_comment: str | None, role_comment: str | None = None) -> Observed:
    return replace(EMPTY, databases={"some_database": database(database_comment)}, roles={"some_role": role(role_comment)})


@pytest.mark.parametrize(
    ("seen", "places"),
    [
        ({}, []),
        ({"tree": ObservedTree({}, {"old": {}, "prod": {}}, {})}, ["files"]),
        ({"system": replace(BARE, revision=Revision("m", "c", {"old": "d", "prod": "d"}))}, ["system"]),
        ({"system": units(old_service="active")}, ["units"]),
        ({"system": units(old__rest_service="failed")}, ["units"]),
        ({"system": units(old__8007_socket="active")}, ["units"]),
        ({"system": units(old__net_service="active")}, ["units"]),
        ({"system": units(old_service="inactive", prod_service="active", way__back_service="active")}, []),
        ({"usage": Usage(data=frozenset({"old", "prod", "way-back", "confirmed", "build"}))}, ["data"]),
        ({"cluster": comments("supabase: instance old realtime v2.1")}, ["databases"]),
        ({"cluster": comments(None, "supabase: instance old")}, ["roles"]),
        ({"cluster": comments("supabase: instance old", "supabase: instance old")}, ["databases", "roles"]),
        ({"cluster": comments("supabase: instance prod", "supabase: shared")}, []),
        ({"cluster": comments(None, "not supabase: instance old")}, []),
        ({"cluster": Absent("no server")}, []),
        ({"system": None}, []),
    ],
)
def test_on_host(seen: dict[str, Any], places: list[str]) -> None:
    whole: dict[str, Any] = {"tree": TREE, "system": BARE, "cluster": EMPTY, "usage": Usage(), **seen}
    assert on_host(["prod"], **whole) == ({"old": places} if places else {})


@pytest.mark.parametrize(
    ("found", "slots", "secrets", "expected"),
    [
        ({}, {"a": {"prod": 0}, "b": {"dev": 0}}, ["prod", "dev"], ()),
        ({"a": {"old": ["files"]}}, {"a": {"old": 1}}, ["old"], (Orphan("old", "a", ("files", "slot", "secrets")),)),
        ({}, {}, ["old"], (Orphan("old", None, ("secrets",)),)),
        ({}, {"gone": {"old": 3}}, [], (Orphan("old", "gone", ("slot",)),)),
        # It has moved: its secrets are in use where it now lives.
        ({"a": {"dev": ["data"]}}, {}, ["dev"], (Orphan("dev", "a", ("data",)),)),
        (
            {"a": {"old": ["data"]}, "b": {"old": ["roles"]}},
            {},
            ["old"],
            (Orphan("old", "a", ("data", "secrets")), Orphan("old", "b", ("roles", "secrets"))),
        ),
    ],
)
def test_orphans(
    found: dict[str, dict[str, list[str]]], slots: dict[str, dict[str, int]], secrets: list[str], expected: tuple[Orphan, ...]
) -> None:
    sidecars: list[Sidecar | None] = [sidecar("jwt", instance=name) for name in secrets]
    assert orphans({"a": ["prod"], "b": ["dev"]}, found, slots, [*sidecars, None]) == expected
