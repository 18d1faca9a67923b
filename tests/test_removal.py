from typing import Any

import pytest

from desired.cluster_state import Absent, Unreachable
from desired.errors import HostStop, Invalid
from desired.removal import asked, cluster_changes, entry_file, homes, tree_files, without
from desired.revision import Digests
from desired.tree import ObservedTree
from tests.estates import FILE, source

DEV = asked({"instance": "dev"})


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({}, "instance: name the instance to delete"),
        ({"instance": True}, "instance = True: name the instance"),
        ({"instance": ["dev"]}, "instance: name the instance"),
        ({"instance": "way-back"}, "instance = 'way-back': name the instance"),
        *(({"instance": name}, "name the instance") for name in ("removed", "build", "confirmed", "admin", "login", "..", "")),
        ({"instance": "dev", "keep_database": 1}, "keep_database = 1: must be true or false"),
        ({"instance": "dev", "keep": True}, "keep: unknown key; known: confirm, host, instance, keep_database"),
    ],
)
def test_what_is_no_request(data: dict[str, Any], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        asked(data)


@pytest.mark.parametrize(("confirm", "confirmed"), [({"confirm": "dev"}, True), ({"confirm": "de"}, False), ({}, False)])
def test_only_the_name_confirms(confirm: dict[str, Any], confirmed: bool) -> None:
    assert asked({"instance": "dev", **confirm}).confirmed is confirmed


ONE, OTHER = source({"dev": {}}, name="one", file="group_data/one.py"), source({}, name="other", file="group_data/other.py")
BARE = source(..., name="bare", file="group_data/bare.py")


@pytest.mark.parametrize(
    ("slots", "found"),
    [({}, ("one",)), ({"one": {"dev": 0}}, ("one",)), ({"one": {"prod": 0}}, ("one",))],
)
def test_it_is_where_group_data_or_the_slot_file_says(slots: dict[str, dict[str, int]], found: tuple[str, ...]) -> None:
    assert homes([ONE, OTHER, BARE], slots, DEV) == found


def test_an_orphan_is_looked_for_where_its_slot_is_else_everywhere() -> None:
    sources = [source({}, name="one"), OTHER, BARE]
    assert homes(sources, {"other": {"dev": 3}}, DEV) == ("other",)
    assert homes(sources, {}, DEV) == ("one", "other")


def test_two_places_ask_for_one() -> None:
    with pytest.raises(Invalid, match="dev is on one and other: name one"):
        homes([ONE, OTHER], {"other": {"dev": 3}}, DEV)
    named = asked({"instance": "dev", "host": "other"})
    assert homes([ONE, OTHER], {"other": {"dev": 3}}, named) == ("other",)
    assert entry_file([ONE, OTHER], "dev", "other") is None


def test_a_host_that_is_gone_from_the_inventory() -> None:
    with pytest.raises(Invalid, match=r"slots.json: sold: instance dev has a slot on sold, which the inventory no longer names"):
        homes([OTHER], {"sold": {"dev": 1}}, DEV)


def test_without_its_entry() -> None:
    sources = [source({"dev": {}, "prod": {}}), source({"dev": {}}, name="two", file="group_data/two.py")]
    assert entry_file(sources, "dev", "server") == FILE
    left = without(sources, "dev", FILE)
    assert [item.value("instances") for item in left] == [{"prod": {}}, {"dev": {}}]
    assert [item.value("instances") for item in sources] == [{"dev": {}, "prod": {}}, {"dev": {}}]


def _tree(digests: Digests, **instances: Any) -> ObservedTree:
    return ObservedTree(digests, instances, {})


def test_its_files_and_no_other_s() -> None:
    paths = [
        *("default.nix", "host.json", "instances/dev.json", "instances/dev2.json", "instances/prod.json"),
        *("secrets/mine.age", "secrets/supabase-dev-jwt.age", "secrets/supabase-dev-jwt-next.age"),
        *("secrets/supabase-dev2-jwt.age", "secrets/supabase-dev-anon.age", "secrets/supabase-prod-jwt.age"),
    ]
    observed = _tree(
        dict.fromkeys(paths, ""),
        dev={"secrets": ["mine", "supabase-dev-jwt", "supabase-prod-jwt"]},
        prod={"secrets": ["supabase-prod-jwt", "supabase-dev-anon"]},
    )
    assert tree_files("dev", observed) == (
        *("secrets/supabase-dev-jwt.age", "secrets/supabase-dev-jwt-next.age", "secrets/mine.age", "instances/dev.json"),
    )
    assert tree_files("gone", observed) == ()


def test_a_server_that_cannot_be_read_is_no_empty_one() -> None:
    assert cluster_changes("dev", Absent("no psql")) == ()
    with pytest.raises(HostStop, match="cannot be read: no way"):
        cluster_changes("dev", Unreachable("no way"))
