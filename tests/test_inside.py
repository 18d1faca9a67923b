"""The inside of databases on real PostgreSQL: every drift is named and repaired, what the owner has granted besides stays."""

import hashlib
import os
import re
import shlex
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from desired import inside
from desired.cluster_state import Observed
from desired.errors import HostStop
from desired.inside import SCHEMAS
from desired.sql_text import STATIC
from facts.postgresql import Cluster
from tests.clusters import Case, case, observed
from tests.pg import MAJORS, Server, server

IN_PROD = {"database": "supabase_prod"}
OWNER = {"user": "supabase_prod", **IN_PROD, "host": "127.0.0.1", "password": "password-of-prod"}


@pytest.fixture(scope="module", params=sorted(MAJORS))
def pg(request: pytest.FixtureRequest) -> Iterator[Server]:
    with server(request.param) as made:
        yield made


@pytest.fixture(scope="module")
def pair(pg: Server) -> Case:
    both = case("dev", "prod")
    both.converge(pg)
    return both


#: What somebody does in the database of prod, and the words that name it in the dry run.
DRIFT = {
    "a grant lost": ("REVOKE USAGE ON SCHEMA public FROM anon", "GRANT USAGE ON SCHEMA public TO anon"),
    "grants lost": (
        "REVOKE USAGE ON SCHEMA extensions FROM supabase_prod_auth; REVOKE USAGE ON SCHEMA extensions, auth FROM supabase_prod",
        "GRANT USAGE ON SCHEMA extensions TO supabase_prod, supabase_prod_auth, GRANT USAGE ON SCHEMA auth TO supabase_prod",
    ),
    "everybody creates": ("GRANT CREATE ON SCHEMA public TO PUBLIC", "REVOKE CREATE ON SCHEMA public FROM PUBLIC"),
    "everybody creates in auth": ("GRANT ALL ON SCHEMA auth TO PUBLIC", "REVOKE CREATE ON SCHEMA auth FROM PUBLIC"),
    "another instance": (
        "GRANT CREATE, USAGE ON SCHEMA storage TO supabase_dev_storage",
        "REVOKE CREATE ON SCHEMA storage FROM supabase_dev_storage, REVOKE USAGE ON SCHEMA storage FROM supabase_dev_storage",
    ),
    "passed on": (
        "GRANT ALL ON SCHEMA public TO anon, supabase_prod_auth WITH GRANT OPTION; SET ROLE anon; "
        "GRANT CREATE ON SCHEMA public TO service_role WITH GRANT OPTION; SET ROLE service_role; "
        "GRANT CREATE ON SCHEMA public TO PUBLIC; GRANT CREATE ON SCHEMA public TO supabase_dev",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC, REVOKE CREATE ON SCHEMA public FROM supabase_dev",
    ),
    "owner": (
        "ALTER SCHEMA storage OWNER TO supabase_prod",
        "ALTER SCHEMA storage OWNER TO supabase_prod_storage, GRANT USAGE ON SCHEMA storage TO supabase_prod",
    ),
    "shared role of another kind": (
        "ALTER SCHEMA auth OWNER TO supabase_storage_admin",
        "ALTER SCHEMA auth OWNER TO supabase_prod_auth",
    ),
    "a schema lost": ("DROP SCHEMA graphql_public", "CREATE SCHEMA graphql_public, GRANT USAGE ON SCHEMA graphql_public TO anon"),
    "public replaced": (
        "ALTER SCHEMA public RENAME TO old; CREATE SCHEMA public AUTHORIZATION supabase_prod",
        "SCHEMA public TO",
    ),
    "default privileges": (
        "ALTER DEFAULT PRIVILEGES FOR ROLE supabase_prod IN SCHEMA public REVOKE ALL ON TABLES FROM anon",
        "ALTER DEFAULT PRIVILEGES FOR ROLE supabase_prod IN SCHEMA public GRANT ALL ON TABLES TO anon",
    ),
    "part of default privileges": (
        "ALTER DEFAULT PRIVILEGES FOR ROLE supabase_prod_storage IN SCHEMA storage REVOKE TRUNCATE ON TABLES FROM authenticated",
        "ALTER DEFAULT PRIVILEGES FOR ROLE supabase_prod_storage IN SCHEMA storage GRANT ALL ON TABLES TO authenticated",
    ),
    "publication": ("DROP PUBLICATION supabase_realtime", "CREATE PUBLICATION supabase_realtime"),
    "publication's owner": (
        "ALTER PUBLICATION supabase_realtime OWNER TO supabase_prod_realtime",
        "ALTER PUBLICATION supabase_realtime OWNER TO supabase_prod",
    ),
    "trigger": ("DROP EVENT TRIGGER pgrst_ddl_watch", "EVENT TRIGGER pgrst_ddl_watch"),
    "trigger disabled": ("ALTER EVENT TRIGGER pgrst_drop_watch DISABLE", "EVENT TRIGGER pgrst_drop_watch"),
    "trigger's function": (
        "CREATE OR REPLACE FUNCTION extensions.pgrst_ddl_watch() RETURNS event_trigger LANGUAGE plpgsql "
        "SET search_path = pg_catalog, pg_temp AS 'BEGIN END'",
        "EVENT TRIGGER pgrst_ddl_watch",
    ),
    "function's path": ("ALTER FUNCTION extensions.pgrst_ddl_watch() RESET ALL", "EVENT TRIGGER pgrst_ddl_watch"),
    "function's rights": ("ALTER FUNCTION extensions.pgrst_drop_watch() SECURITY DEFINER", "EVENT TRIGGER pgrst_drop_watch"),
    "trigger's tags": (
        "DROP EVENT TRIGGER pgrst_ddl_watch; CREATE EVENT TRIGGER pgrst_ddl_watch ON ddl_command_end WHEN TAG IN ('COMMENT') "
        "EXECUTE FUNCTION extensions.pgrst_ddl_watch()",
        "EVENT TRIGGER pgrst_ddl_watch",
    ),
}


@pytest.mark.parametrize("kind", DRIFT)
def test_each_drift_is_named_and_repaired(pg: Server, pair: Case, kind: str) -> None:
    sql, words = DRIFT[kind]
    pg.query(sql + ";", **IN_PROD)
    (change,) = pair.converge(pg)
    assert (change.instance, change.verb, change.what) == ("prod", "update", "schemas of database supabase_prod")
    assert words in change.detail
    if kind not in ("a schema lost", "public replaced"):
        assert change.detail == words


def test_a_targeted_run_looks_into_its_own_database_only(pg: Server, pair: Case) -> None:
    pg.query("REVOKE USAGE ON SCHEMA auth FROM anon;", database="supabase_dev")
    assert pair.converge(pg, only="prod") == []
    assert [change.instance for change in pair.converge(pg)] == ["dev"]


def test_what_the_owner_has_granted_besides_stays(pg: Server, pair: Case) -> None:
    pg.query("CREATE ROLE reporting; CREATE SCHEMA mine AUTHORIZATION supabase_prod;", **IN_PROD)
    pg.query(
        """GRANT USAGE, CREATE ON SCHEMA public TO service_role, reporting; GRANT USAGE ON SCHEMA graphql_public TO PUBLIC;
        GRANT ALL ON SCHEMA mine TO PUBLIC, supabase_prod_auth;
        ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO reporting;
        CREATE PUBLICATION more; ALTER PUBLICATION supabase_realtime SET (publish = 'insert');""",
        **OWNER,
    )
    assert pair.plan(pg) == ()
    pg.query("REVOKE USAGE ON SCHEMA public FROM anon; GRANT CREATE ON SCHEMA public TO PUBLIC;", **IN_PROD)
    pair.converge(pg)
    acl = "SELECT nspname, nspacl FROM pg_namespace WHERE nspname IN ('public', 'mine', 'graphql_public') ORDER BY 1;"
    kept = pg.query(acl, **IN_PROD)
    for entry in ("reporting=UC/supabase_prod", "service_role=UC/supabase_prod", "=UC/supabase_prod", "=U/supabase_prod"):
        assert entry in kept
    pg.query("DROP OWNED BY reporting; DROP ROLE reporting;", **IN_PROD)


def test_repair_touches_only_what_differs(pg: Server, pair: Case) -> None:
    watch = "SELECT array_agg(oid::text || xmin::text ORDER BY oid) FROM pg_event_trigger;"
    before = pg.query(watch, **IN_PROD)
    pg.query("REVOKE USAGE ON SCHEMA public FROM anon;", **IN_PROD)
    pair.converge(pg)
    assert pg.query(watch, **IN_PROD) == before


def test_extensions_are_wanted_where_the_server_has_them(pg: Server, pair: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    available = observed(pg).extensions
    pair.memory.clear()  # as `workstation.cache` does when code changes
    monkeypatch.setattr(inside, "EXTENSIONS", ("no-such-extension", *inside.EXTENSIONS, "vector"))
    wanted = [name for name in ("pgcrypto", "uuid-ossp", "vector") if name in available]
    missing = [name for name in wanted if name not in observed(pg, "supabase_prod").insides["supabase_prod"].extensions]
    details = {change.instance: change.detail for change in pair.converge(pg)}
    assert details == ({"dev": details["dev"], "prod": details["prod"]} if missing else {})
    for name in missing:
        assert f"CREATE EXTENSION {name}" in details["prod"]
    # Where the owner has put one himself, it is there.
    if missing:
        pg.query(f'DROP EXTENSION "{missing[-1]}"; CREATE EXTENSION "{missing[-1]}" SCHEMA public;', **IN_PROD)
    assert pair.plan(pg) == ()


def test_what_nobody_has_written_to_is_not_entered_again(pg: Server, pair: Case) -> None:
    """Each drift above was seen in spite of what the case remembers."""

    def again() -> Observed:
        pair.memory.clear()
        assert pair.plan(pg) == ()
        after = pair.look(pg)
        assert isinstance(after, Observed)
        assert after.insides.keys() | after.unwritten == {"supabase_dev", "supabase_prod"}
        assert pair.plan(pg) == ()
        return after

    # autovacuum may have written statistics just then
    assert any(not again().insides for _ in range(3))


def test_what_was_not_as_wanted_is_not_remembered(pg: Server, pair: Case) -> None:
    pg.query("REVOKE USAGE ON SCHEMA public FROM anon;", **IN_PROD)
    pair.memory.clear()
    assert pair.plan(pg) == pair.plan(pg) != ()
    assert "supabase_prod" not in pair.memory
    pair.converge(pg)


def test_what_the_inside_is_judged_by_may_change(pg: Server, pair: Case) -> None:
    """What is no write to a database, and makes what stands in it wrong."""

    def remembered() -> None:
        end = time.monotonic() + 30
        while pair.plan(pg) != () or "supabase_prod" not in pair.memory or pair.memory != observed(pg).marks:
            assert time.monotonic() < end

    pg.query("CREATE ROLE supabase_guest; GRANT USAGE ON SCHEMA public TO supabase_guest;", **IN_PROD)
    remembered()
    pg.query("GRANT supabase_login TO supabase_guest;")
    (change,) = pair.converge(pg)
    assert change.detail == "REVOKE USAGE ON SCHEMA public FROM supabase_guest"
    pg.query("DROP ROLE supabase_guest;")

    pg.query("CREATE ROLE maker SUPERUSER; ALTER FUNCTION extensions.pgrst_drop_watch() OWNER TO maker;", **IN_PROD)
    remembered()
    pg.query("ALTER ROLE maker NOSUPERUSER;")
    with pytest.raises(HostStop, match="holds what belongs to maker"):
        pair.plan(pg)
    pg.query("REASSIGN OWNED BY maker TO postgres; DROP ROLE maker;", **IN_PROD)
    pair.converge(pg)


def test_who_may_be_writing_leaves_no_mark(pg: Server, pair: Case) -> None:
    active = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'supabase_prod';"
    while pg.query(active) != "0":
        pass
    assert observed(pg).marks.keys() == {"supabase_dev", "supabase_prod"}
    with ThreadPoolExecutor() as pool:
        at_work = pool.submit(pg.psql, "SELECT pg_catalog.pg_sleep(600);", **IN_PROD)
        while pg.query(active) == "0":
            assert not at_work.done()
        assert observed(pg).marks.keys() == {"supabase_dev"}
        pg.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'supabase_prod';")
    pg.query("ALTER DATABASE supabase_prod SET track_counts = off;")
    assert observed(pg).marks.keys() == {"supabase_dev"}
    pg.query("ALTER DATABASE supabase_prod RESET track_counts;")


def test_a_crash_takes_the_counts_and_the_marks_with_it(pg: Server, pair: Case) -> None:
    def crash() -> None:
        """One session dies; the server ends all others and starts anew, without having been started."""
        pids = pg.query("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer';")
        os.kill(int(pids), signal.SIGKILL)
        end = time.monotonic() + 30
        while pg.psql("SELECT 1;").returncode != 0 or pg.query("SELECT pg_is_in_recovery();") != "f":
            assert time.monotonic() < end

    started = "SELECT pg_postmaster_start_time();"
    before = pg.query(started)
    crash()
    first = observed(pg).marks
    pg.query("CREATE TABLE public.counted (); DROP TABLE public.counted;", **IN_PROD)
    crash()
    assert pg.query(started) == before
    assert not set(first.items()) & set(observed(pg).marks.items())


def test_a_database_that_cannot_be_entered_is_named(pg: Server, pair: Case) -> None:
    invalid = "UPDATE pg_database SET datconnlimit = {} WHERE datname = 'supabase_dev';"
    pg.query(invalid.format(-2))
    try:
        with pytest.raises(HostStop, match=r"dev: database supabase_dev cannot be entered: connection to server.*FATAL"):
            pair.plan(pg)
        assert pair.plan(pg, only="prod") == ()
    finally:
        pg.query(invalid.format(45))
    pg.query("ALTER DATABASE supabase_dev ALLOW_CONNECTIONS false;")
    assert [str(change) for change in pair.converge(pg)] == [
        "update database supabase_dev (ALLOW_CONNECTIONS)",
        "update schemas of database supabase_dev (not seen)",
    ]


def test_a_door_into_extensions_stops_the_run(pg: Server, pair: Case) -> None:
    close = {
        "GRANT CREATE ON SCHEMA extensions TO supabase_prod": (
            "lets supabase_prod create in it",
            "REVOKE CREATE ON SCHEMA extensions FROM supabase_prod",
        ),
        "ALTER SCHEMA extensions OWNER TO supabase_prod": (
            "belongs to supabase_prod",
            "ALTER SCHEMA extensions OWNER TO postgres",
        ),
    }
    for door, (word, step) in close.items():
        pg.query(door + ";", **IN_PROD)
        with pytest.raises(HostStop) as stop:
            pair.plan(pg)
        assert word in str(stop.value)
        assert step in str(stop.value)
        pg.query("CREATE FUNCTION extensions.digest(text) RETURNS int LANGUAGE sql AS 'SELECT 1';", **OWNER)
        pg.query(step + ";", **IN_PROD)
        with pytest.raises(HostStop, match="schema extensions of database supabase_prod holds what belongs to supabase_prod"):
            pair.plan(pg)
        pg.query("DROP FUNCTION extensions.digest(text);", **IN_PROD)
        pair.converge(pg)


def test_the_questions_name_the_same_schemas() -> None:
    text = STATIC["observe_inside"]
    lists = re.findall(r"nspname IN \(([^)]*)\)", text)
    assert [{name.strip("' ") for name in names.split(",")} for names in lists] == [{*SCHEMAS, "extensions"}] * 2


def test_the_question_does_not_grow_with_the_instances(pg: Server, pair: Case) -> None:
    """Text for a shell is limited to 128 KiB, with the quotes that pyinfra adds, for as many as a host may have."""
    names = tuple(f"supabase_{number:013}" for number in range(600))
    marks = tuple((name, hashlib.sha256(name.encode()).hexdigest()[:32]) for name in names)
    assert len(shlex.quote(Cluster().command(pg.session, names, marks))) < 64 * 1024
