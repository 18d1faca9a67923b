"""The wanted cluster and its difference from an observed one, without a server."""

from dataclasses import replace

import pytest

from desired.cluster import DATABASE_LIMIT, SHARED_COMMENT, WantedInstance, wanted
from desired.cluster_diff import difference
from desired.cluster_state import Absent, Observed, Unreachable, observed
from desired.cluster_stream import needs_verifier, stream
from desired.errors import HostStop
from desired.sql_text import STATIC
from tests.clusters import Case, case


def instance(name: str, **value: object) -> WantedInstance:
    return Case({name: value}).wanted.instances[0]


EMPTY = observed({"version": 160004, "foreign_roles": ["postgres"]})


def test_roles_of_an_instance() -> None:
    roles = {role.name: role for role in instance("prod").roles}
    assert list(roles) == [
        "supabase_prod",
        *(f"supabase_prod_{service}" for service in ("authenticator", "auth", "storage", "realtime")),
    ]
    assert [name for name, role in roles.items() if role.bypassrls] == ["supabase_prod"]
    assert [name for name, role in roles.items() if not role.inherit] == ["supabase_prod_authenticator"]
    assert [name for name, role in roles.items() if role.replication] == ["supabase_prod_realtime"]
    assert [name for name, role in roles.items() if role.verifier] == ["supabase_prod"]
    assert not any(role.superuser for role in roles.values())
    for role in roles.values():
        login = next(member for member in role.member_of if member.role == "supabase_login")
        assert (login.inherit, login.set) == (False, False)


def test_shared_roles_cannot_log_in() -> None:
    shared = case("prod").wanted.shared
    assert not any(role.login for role in shared)
    assert [role.name for role in shared if role.bypassrls] == ["service_role"]
    assert {role.comment for role in shared} == {SHARED_COMMENT}


def test_services_change_no_role() -> None:
    off = instance("prod", services={"realtime": False, "auth": False, "rest_api": False, "storage": False})
    assert off == instance("prod")


def test_another_user_is_a_member_of_the_owner() -> None:
    extra = instance("prod", database={"user": "shop"}).roles[-1]
    assert (extra.name, extra.verifier, extra.settings["role"]) == ("shop", "supabase_prod", ("supabase_prod",))
    assert {member.role for member in extra.member_of} == {"supabase_login", "supabase_prod"}


def test_auth_without_the_socket_has_a_verifier_of_its_own() -> None:
    roles = {role.name: role.verifier for role in instance("prod", auth={"database_socket": False}).roles}
    assert roles["supabase_prod_auth"] == "supabase_prod_auth"
    item = wanted(Case({"prod": {"auth": {"database_socket": False}}}).host, {})
    assert needs_verifier(difference(item, EMPTY)) == ("supabase_prod", "supabase_prod_auth")


def test_a_realtime_that_is_to_be_superuser() -> None:
    roles = instance("prod", realtime={"superuser": True}).roles
    assert [role.name for role in roles if role.superuser] == ["supabase_prod_realtime"]


def test_an_instance_that_floods_its_database_takes_no_other_s_connections() -> None:
    # As the module sets max_connections.
    assert DATABASE_LIMIT == 45
    assert all(0 < role.limit < DATABASE_LIMIT for role in instance("prod", database={"user": "shop"}).roles)


def test_the_limits_hold_the_pools() -> None:
    """supabase-stack.md §3.5: pool and what comes besides it."""
    limits = {role.name.rpartition("_")[2]: role.limit for role in instance("prod").roles}
    for login, connections in {"authenticator": 4 + 1, "auth": 4 + 1, "storage": 4 + 1, "realtime": 15, "prod": 5 + 3}.items():
        assert limits[login] > connections


@pytest.mark.parametrize("nothing", [Absent("no psql"), EMPTY], ids=["absent", "bare"])
def test_all_is_created_where_nothing_is(nothing: Absent | Observed) -> None:
    changes = difference(case("dev", "prod").wanted, nothing)
    assert {item.change.verb for item in changes} == {"create"}
    assert [item.change.instance for item in changes] == [None] * 8 + ["dev"] * 7 + ["prod"] * 7
    assert needs_verifier(changes) == ("supabase_dev", "supabase_prod")


def test_a_targeted_run_plans_its_instance_and_missing_shared_roles() -> None:
    both = case("dev", "prod").wanted
    assert {item.change.instance for item in difference(both, EMPTY, "dev")} == {None, "dev"}
    assert difference(both, EMPTY, "other") == ()
    assert difference(case().wanted, EMPTY) == ()


def test_an_unreachable_server_is_not_an_empty_one() -> None:
    with pytest.raises(HostStop, match="permission denied"):
        difference(case("prod").wanted, Unreachable("permission denied"))


def test_every_reason_is_given_at_once() -> None:
    foreign = replace(EMPTY, foreign_roles=frozenset({"anon", "supabase_prod_auth"}))
    with pytest.raises(HostStop) as stop:
        difference(case("prod").wanted, foreign)
    assert "COMMENT ON ROLE anon IS 'supabase: shared role'" in str(stop.value)
    assert "COMMENT ON ROLE supabase_prod_auth IS 'supabase: instance prod'" in str(stop.value)


def test_another_instances_foreign_role_does_not_stop_a_targeted_run() -> None:
    foreign = replace(EMPTY, foreign_roles=frozenset({"supabase_prod_auth"}))
    assert difference(case("dev", "prod").wanted, foreign, "dev")


def test_a_pending_secret_is_a_change() -> None:
    item = wanted(case("prod").host, {"supabase_prod": None})
    assert needs_verifier(difference(item, EMPTY)) == ("supabase_prod",)
    assert item.instances[0].digests == {"supabase_prod": None}
    assert wanted(case("prod").host, {}) == item


def test_no_change_no_stream() -> None:
    assert stream(case("prod").wanted, (), repair_shared=True) == ""


def test_the_stream_holds_no_verifier_and_only_what_changes() -> None:
    both = case("dev", "prod")
    changes = tuple(item for item in difference(both.wanted, EMPTY) if item.part == "schema" and item.change.instance == "dev")
    sql = stream(both.wanted, changes, repair_shared=True)
    assert "SCRAM-SHA-256$4096" not in sql.replace(STATIC["roles"], "")
    assert "supabase_prod" not in sql
    assert sql.count("\\connect") == 1


def test_an_old_server_is_known_by_its_version_alone() -> None:
    assert observed({"version": 150009}).version == 150009
