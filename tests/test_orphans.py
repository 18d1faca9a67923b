from typing import Any

import pytest

from desired.errors import HostStop
from desired.orphans import check_orphans, orphans
from tests.estates import host

HOST = host({"prod": {}, "dev": {}})


@pytest.mark.parametrize(
    ("instances", "observed", "left"),
    [({"prod": {}, "dev": {}}, ["prod", "zoo", "old"], ("old", "zoo")), ({}, ["prod"], ("prod",)), ({"prod": {}}, [], ())],
)
def test_orphans(instances: Any, observed: list[str], left: tuple[str, ...]) -> None:
    assert orphans(host(instances), observed) == left


OLD = host({"old": {"subdomain": "shop", "port": 9000, "database": {"name": "supabase_x", "user": "shop"}, "jwt_secret": "mine"}})


@pytest.mark.parametrize(
    ("new", "what"),
    [
        ({"subdomain": "shop"}, "subdomain shop"),
        ({"port": 9000}, "port 9000"),
        ({"database": {"name": "supabase_x"}}, "database.name supabase_x"),
        ({"database": {"user": "shop"}}, "database.user shop"),
        ({"anon_key": "mine"}, "secret mine"),
    ],
)
def test_what_an_orphan_holds_is_taken(new: dict[str, Any], what: str) -> None:
    observed = {"old": OLD.instances[0].option}
    with pytest.raises(HostStop, match=f"instance new: {what} is held by old, .*just supabase-delete old"):
        check_orphans(host({"new": new}), observed)
    check_orphans(host({"new": {}}), observed)


def test_orphans_count_against_the_capacity() -> None:
    observed: dict[str, dict[str, Any]] = {"old": {}, "older": {}}
    check_orphans(host({"new": {}}, capacity=3), observed)
    with pytest.raises(HostStop, match=r"capacity = 2: .* holds 3 instances with old, older"):
        check_orphans(host({"new": {}}, capacity=2), observed)


def test_a_file_without_anything_is_no_claim() -> None:
    check_orphans(HOST, {"old": {}})
