"""Realtime's login may grant supabase_realtime_admin on while it migrates, and at no other time. Real PostgreSQL."""

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from desired.cluster import wanted
from desired.cluster_diff import difference
from desired.cluster_state import Absent
from desired.cluster_stream import Migration, migrations, stream
from desired.record import Record, recorded, records
from operations.databases import Plan
from operations.site import Site
from tests.clusters import Case, observed
from tests.pg import MAJORS, Server, server, shell

FULL = {"profile": "full"}
GRANT = "GRANT supabase_realtime_admin TO {};"


@pytest.fixture(scope="module", params=sorted(MAJORS))
def pg(request: pytest.FixtureRequest) -> Iterator[Server]:
    with server(request.param) as made:
        yield made


def planned(pg: Server, one: Case) -> Plan:
    return Plan(one.wanted, one.look(pg), one.plan(pg), pg.session, None)


def run(command: Any) -> None:
    result = shell(str(command), str(command.connector_arguments.get("_stdin", "")))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def bring(pg: Server, one: Case) -> Plan:
    """What the run does before services start."""
    plan = planned(pg, one)
    for command in (*plan.lend(), *plan.from_memory(one.verifiers)):
        run(command)
    return plan


def settle(plan: Plan) -> None:
    """What it does after they have answered, the host's scripts aside."""
    site = cast(Site, SimpleNamespace(host=SimpleNamespace(postgresql_port=5432), probes=lambda: ()))
    run([*plan.settle(site)][-1])


def lent(pg: Server, name: str) -> bool:
    memberships = observed(pg).roles[f"supabase_{name}_realtime"].member_of
    return any(membership.admin for membership in memberships)


def as_realtime(pg: Server, name: str, sql: str) -> int:
    """What realtime's own session may do. It enters by peer on a host, and the superuser of a test can become it."""
    return pg.psql(f"SET SESSION AUTHORIZATION supabase_{name}_realtime; {sql}", database=f"supabase_{name}").returncode


def members(pg: Server) -> set[str]:
    return set(
        pg.query("SELECT member::regrole FROM pg_auth_members WHERE roleid::regrole::text = 'supabase_realtime_admin';").split()
    )


def test_from_birth_to_a_new_version(pg: Server) -> None:
    first = Case({"prod": FULL}, realtime="v1")
    plan = bring(pg, first)
    assert [str(item.change) for item in plan.differences][-2:] == [
        "update migrations of realtime (v1; until they are through its login may grant supabase_realtime_admin)",
        "create bucket supabase-storage",
    ]
    assert not list(plan.lend()), "nothing is there to be lent before the first stream"
    assert lent(pg, "prod")
    before = members(pg)
    # What realtime's migrations do, and what an intruder in it would: hand everybody's `anon` the shared role.
    assert as_realtime(pg, "prod", GRANT.format("postgres")) == 0
    assert as_realtime(pg, "prod", GRANT.format("anon")) == 0
    assert {"postgres", "anon"} <= members(pg)
    settle(plan)
    assert not lent(pg, "prod")
    assert members(pg) == before, "what it granted goes with its right"
    assert as_realtime(pg, "prod", GRANT.format("anon")) == 3
    assert first.plan(pg) == ()
    assert observed(pg).databases["supabase_prod"].record == Record("v1", "supabase-storage", "v7")

    second = replace(first, realtime="v2")
    plan = planned(pg, second)
    assert [str(item.change) for item in plan.differences] == [
        "update migrations of realtime (v2; until they are through its login may grant supabase_realtime_admin)",
        "update service realtime of database supabase_prod (v1 -> v2, dump first)",
    ]
    (lend,) = plan.lend()
    run(lend)
    assert lent(pg, "prod")
    bring(pg, second)
    assert lent(pg, "prod"), "the stream does not take it back"
    settle(plan)
    assert second.plan(pg) == ()
    assert observed(pg).databases["supabase_prod"].record == Record("v2", "supabase-storage", "v7")


def test_a_run_that_fails_takes_it_back(pg: Server) -> None:
    one = Case({"fails": FULL}, realtime="v1")
    plan = bring(pg, one)
    assert lent(pg, "fails")
    assert shell(plan.withdraw).returncode == 0
    assert not lent(pg, "fails")
    assert [item.change.what for item in one.plan(pg)] == ["migrations of realtime", "bucket supabase-storage"]


def test_a_run_that_dies_leaves_it_to_the_next(pg: Server) -> None:
    one = Case({"dies": FULL}, realtime="v1")
    bring(pg, one)
    again = planned(pg, one)
    assert [item.change.what for item in again.differences] == ["migrations of realtime", "bucket supabase-storage"]
    settle(again)
    assert not lent(pg, "dies")
    # Or to one that wants no realtime any more.
    off = Case({"dies": {"profile": "app"}}, realtime="v1")
    pg.query(GRANT.format("supabase_dies_realtime WITH ADMIN TRUE"))
    assert "options of its membership in supabase_realtime_admin" in str(off.converge(pg))
    assert not lent(pg, "dies")


@pytest.mark.parametrize("value", [{"profile": "app"}, {"profile": "api"}, {"profile": "full", "services": {"realtime": False}}])
def test_without_realtime_it_is_never_lent(pg: Server, value: dict[str, Any]) -> None:
    one = Case({"never": value}, realtime="v1")
    plan = bring(pg, one)
    assert "ADMIN" not in plan.sql.replace("WITH ADMIN FALSE", "")
    assert not plan.of("migrations")
    assert plan.withdraw == ""
    assert not lent(pg, "never")


def test_a_superuser_needs_none(pg: Server) -> None:
    one = Case({"risky": {**FULL, "realtime": {"superuser": True}}}, realtime="v1")
    plan = bring(pg, one)
    assert not plan.of("migrations")
    assert observed(pg).roles["supabase_risky_realtime"].superuser
    assert [item.change.what for item in one.plan(pg)] == ["bucket supabase-storage"]
    back = Case({"risky": FULL}, realtime="v1")
    assert "update role supabase_risky_realtime (NOSUPERUSER)" in [str(item.change) for item in back.plan(pg)]
    bring(pg, back)
    assert not observed(pg).roles["supabase_risky_realtime"].superuser


def test_where_nothing_is_served_nothing_is_wanted_of_services(pg: Server) -> None:
    one = Case({"sandboxed": FULL})
    one.converge(pg)
    assert not lent(pg, "sandboxed")


def test_the_record() -> None:
    full = Record("v2.154.0", "uploads", "v1.90.1")
    text = full.text("supabase: instance prod")
    assert text == "supabase: instance prod realtime v2.154.0 bucket uploads storage v1.90.1"
    assert recorded(text) == full
    assert recorded("supabase: instance prod") == recorded(None) == Record()
    assert recorded("supabase: instance prod bucket uploads") == Record(None, "uploads")
    assert recorded("supabase: instance prod bootstrap 0123 bucket uploads") == Record(None, "uploads")
    assert Record("v3", None).over(full) == Record("v3", "uploads", "v1.90.1")


def test_records_follow_the_services() -> None:
    host = Case({"full": FULL, "app": {"profile": "app", "storage": {"bucket": "mine"}}, "api": {"profile": "api"}}).host
    assert records(host, {"realtime": "v1", "storage": "v7"}) == {
        "full": Record("v1", "supabase-storage", "v7"),
        "app": Record(None, "mine", "v7"),
        "api": Record(),
    }


def test_a_stream_planned_blind_lends_after_the_roles_are_there() -> None:
    one = Case({"blind": FULL}, realtime="v1")
    items = one.wanted
    sql = stream(items, difference(items, Absent("")), repair_shared=True)
    assert sql.index('"admin":true') > sql.index('"name":"supabase_blind_realtime"')
    assert migrations([]) == ""
    assert wanted(one.host, {}).instances[0].record == Record()
    assert '"admin":false' in migrations([Migration(items.instances[0], admin=False)])
