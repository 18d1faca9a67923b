"""Real PostgreSQL, oldest and newest: from nothing to converged, drift, cuts, neighbours, a hostile database."""

import random
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from desired import inside as bootstrap
from desired.changes import Change
from desired.cluster_diff import difference
from desired.cluster_state import Absent
from desired.errors import HostStop
from desired.sql_text import STATIC, connect, setting, verifier_line
from operations.databases import Plan
from tests.clusters import Case, boundaries, case, observe, observed
from tests.pg import MAJORS, Server, server, shell

SNAPSHOT = """
SELECT 'database', datname, datdba::regrole, datacl, datconnlimit, datallowconn FROM pg_database WHERE datname !~ '^supabase_'
UNION ALL SELECT 'role', rolname, oid::regrole, NULL, rolconnlimit, rolsuper FROM pg_roles
    WHERE rolname !~ '^(supabase_|anon$|authenticated$|service_role$|dashboard_user$)'
UNION ALL SELECT 'member', roleid::regrole::text, member::regrole, NULL, 0, admin_option FROM pg_auth_members
    WHERE member::regrole::text !~ '^supabase_'
UNION ALL SELECT 'setting', setconfig::text, setrole::regrole, NULL, 0, false FROM pg_db_role_setting
    WHERE setrole::regrole::text !~ '^supabase_'
ORDER BY 1, 2, 3;
"""


@pytest.fixture(scope="module", params=sorted(MAJORS))
def pg(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One server for the module; its tests use instances of different names."""
    ident = ["supabase nobody /^supabase_[a-z0-9]+_authenticator$"] if request.param >= 16 else []
    with server(request.param, ident=ident) as made:
        yield made


@pytest.fixture(scope="module")
def pair(pg: Server) -> Case:
    """prod and dev, converged once."""
    both = case("dev", "prod")
    both.converge(pg)
    return both


def test_bare_to_converged_and_then_nothing(pg: Server, pair: Case) -> None:
    assert pair.plan(pg) == ()
    state = observed(pg)
    assert set(state.databases) >= {"supabase_dev", "supabase_prod"}
    assert state.databases["supabase_prod"].owner == "postgres"
    assert not any(role.superuser or role.createrole or role.createdb for role in state.roles.values())
    assert not any(membership.admin for role in state.roles.values() for membership in role.member_of)


def test_what_is_announced_for_a_new_instance(pg: Server, pair: Case) -> None:
    announced = Case({**pair.instances, "fresh": {}}).converge(pg)
    assert [str(change) for change in announced] == [
        *(f"create role supabase_fresh{suffix}" for suffix in ("", "_authenticator", "_auth", "_storage", "_realtime")),
        "create database supabase_fresh",
        "create schemas of database supabase_fresh",
    ]
    assert {change.instance for change in announced} == {"fresh"}


def test_a_stream_planned_before_postgresql_was_there(pg: Server, pair: Case) -> None:
    both = Case({**pair.instances, "blind": {}})
    result = pg.guarded(both.sql(difference(both.wanted, Absent("no psql"))))
    assert (result.returncode, result.stderr) == (0, "")
    assert both.plan(pg) == ()


def test_the_url_opens_its_own_database_and_no_other(pg: Server, pair: Case) -> None:
    def login(user: str, database: str, password: str) -> subprocess.CompletedProcess[str]:
        return pg.psql("SELECT current_user;", user=user, database=database, host="127.0.0.1", password=password)

    assert login("supabase_prod", "supabase_prod", "password-of-prod").stdout == "supabase_prod\n"
    for user, database, password in [
        ("supabase_prod", "supabase_dev", "password-of-prod"),
        ("supabase_prod", "postgres", "password-of-prod"),
        ("supabase_prod", "template1", "password-of-prod"),
        ("supabase_prod", "supabase_prod", "password-of-dev"),
        ("supabase_prod_auth", "supabase_prod", "password-of-prod"),
        ("supabase_prod_realtime", "supabase_prod", "password-of-prod"),
    ]:
        assert login(user, database, password).returncode == 2, (user, database)


def test_peer_enters_as_its_own_login_only(pg: Server, pair: Case) -> None:
    if pg.user != "nobody":
        pytest.skip("the map of this server is for nobody; it runs as another user")
    assert pg.query("SELECT current_user;", user="supabase_prod_authenticator", database="supabase_prod")
    for user, database in [
        ("supabase_prod", "supabase_prod"),
        ("supabase_prod_auth", "supabase_prod"),
        ("supabase_prod_authenticator", "supabase_dev"),
        ("supabase_prod_authenticator", "postgres"),
    ]:
        assert pg.psql("SELECT 1;", user=user, database=database).returncode == 2, (user, database)


def test_row_level_security(pg: Server, pair: Case) -> None:
    owner = {"user": "supabase_prod", "database": "supabase_prod", "host": "127.0.0.1", "password": "password-of-prod"}
    pg.query(
        """CREATE TABLE public.notes (who text, text text);
        ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY;
        CREATE POLICY reading ON public.notes FOR SELECT TO anon USING (who = 'all');
        CREATE POLICY writing ON public.notes FOR INSERT TO authenticated WITH CHECK (who <> 'all');
        INSERT INTO public.notes VALUES ('all', 'public'), ('me', 'mine');""",
        **owner,
    )
    # The owner may SET ROLE like the authenticator, whom only peer lets in.
    assert pg.query("SET ROLE anon; SELECT text FROM public.notes;", **owner) == "public"
    assert pg.query("SET ROLE service_role; SELECT count(*) FROM public.notes;", **owner) == "2"
    assert pg.psql("SET ROLE anon; INSERT INTO public.notes VALUES ('me', 'x');", **owner).returncode == 3
    assert pg.psql("SET ROLE authenticated; INSERT INTO public.notes VALUES ('me', 'x');", **owner).returncode == 0
    assert pg.psql("SET ROLE supabase_login;", **owner).returncode == 3
    if pg.user == "nobody":
        rest = {"user": "supabase_prod_authenticator", "database": "supabase_prod"}
        assert pg.psql("SELECT * FROM public.notes;", **rest).returncode == 3
        assert pg.query("SET ROLE anon; SELECT text FROM public.notes;", **rest) == "public"
    assert pair.plan(pg) == ()


def test_postgrest_hears_of_new_tables(pg: Server, pair: Case) -> None:
    owner = {"user": "supabase_prod", "database": "supabase_prod", "host": "127.0.0.1", "password": "password-of-prod"}
    said = "LISTEN pgrst; CREATE TABLE public.{0} (); SELECT 1; DROP TABLE public.{0}; SELECT 1;"
    assert pg.query(said.format("heard"), **owner).count('notification "pgrst" with payload "reload schema"') == 2
    silent = said.replace("TABLE public", "TEMP TABLE pg_temp", 1).replace("public", "pg_temp")
    assert "notification" not in pg.query(silent.format("unheard"), **owner)


DRIFT = {
    "attributes": ("ALTER ROLE supabase_prod CREATEROLE NOBYPASSRLS", "NOCREATEROLE, BYPASSRLS"),
    "superuser": ("ALTER ROLE supabase_prod_auth SUPERUSER", "NOSUPERUSER"),
    "inherit": ("ALTER ROLE supabase_prod_authenticator INHERIT", "NOINHERIT"),
    "replication": ("ALTER ROLE supabase_prod_realtime NOREPLICATION", "REPLICATION"),
    "nologin": ("ALTER ROLE supabase_prod_storage NOLOGIN", "LOGIN"),
    "connection limit": ("ALTER ROLE supabase_prod CONNECTION LIMIT 3", "CONNECTION LIMIT 15"),
    "expired": ("ALTER ROLE supabase_prod VALID UNTIL '2001-01-01'", "VALID UNTIL infinity"),
    "foreign password": ("ALTER ROLE supabase_prod PASSWORD 'other'", "password"),
    "lost password": ("ALTER ROLE supabase_prod PASSWORD NULL", "password"),
    "password of a service": ("ALTER ROLE supabase_prod_auth PASSWORD 'other'", "no password"),
    "lost membership": ("REVOKE anon FROM supabase_prod_authenticator", "member of anon"),
    "stray membership": ("GRANT pg_read_all_data TO supabase_prod_auth", "not a member of pg_read_all_data"),
    "another instance": ("GRANT supabase_dev TO supabase_prod", "not a member of supabase_dev"),
    "admin option": (
        "GRANT supabase_realtime_admin TO supabase_prod_realtime WITH ADMIN OPTION",
        "options of its membership in supabase_realtime_admin",
    ),
    "inheriting": ("GRANT anon TO supabase_prod_authenticator WITH INHERIT TRUE", "options of its membership in anon"),
    "parameter": ("REVOKE SET ON PARAMETER log_min_messages FROM supabase_prod_realtime", "SET ON PARAMETER log_min_messages"),
    "shared role": ("ALTER ROLE anon BYPASSRLS LOGIN", "NOLOGIN, NOBYPASSRLS"),
    "shared settings": ("ALTER ROLE anon SET statement_timeout = '1ms'", "RESET ALL"),
    "shared settings here": ("ALTER ROLE anon IN DATABASE supabase_dev SET search_path = nowhere", "RESET ALL"),
    "shared membership": ("GRANT pg_monitor TO service_role", "not a member of pg_monitor"),
    "public connect": ("GRANT CONNECT ON DATABASE supabase_prod TO PUBLIC", "REVOKE CONNECT FROM PUBLIC"),
    "stray connect": ("GRANT CONNECT ON DATABASE supabase_prod TO supabase_dev", "REVOKE CONNECT FROM supabase_dev"),
    "grantable": (
        "GRANT CONNECT ON DATABASE supabase_prod TO supabase_prod WITH GRANT OPTION",
        "GRANT CONNECT TO supabase_prod",
    ),
    "lost grant": ("REVOKE CREATE ON DATABASE supabase_prod FROM supabase_prod", "GRANT CREATE TO supabase_prod"),
    "default acl": ("ALTER DATABASE supabase_prod OWNER TO supabase_prod", "OWNER TO postgres, GRANT"),
    "database limit": ("ALTER DATABASE supabase_prod CONNECTION LIMIT -1", "CONNECTION LIMIT 45"),
    "setting": (
        "ALTER ROLE supabase_prod_authenticator IN DATABASE supabase_prod SET statement_timeout = '1h'",
        "SET statement_timeout of supabase_prod_authenticator",
    ),
    "lost setting": ("ALTER ROLE supabase_prod IN DATABASE supabase_prod RESET ALL", "SET search_path of supabase_prod"),
    "lost comment": ("COMMENT ON DATABASE supabase_prod IS NULL", "update database supabase_prod (COMMENT)"),
    "another comment": ("COMMENT ON DATABASE supabase_prod IS 'my shop'", "update database supabase_prod (COMMENT)"),
}


@pytest.mark.parametrize("kind", DRIFT)
def test_each_drift_is_one_announced_change_and_repaired(pg: Server, pair: Case, kind: str) -> None:
    sql, words = DRIFT[kind]
    everyone = Case({name: {} for name in ("blind", "dev", "fresh", "prod")})
    everyone.converge(pg)
    pg.query(sql + ";")
    announced = everyone.converge(pg)
    assert len(announced) == 1, announced
    assert words in str(announced[0])
    assert announced[0].instance == (None if kind.startswith("shared") else "prod")


def test_a_new_password_replaces_the_old(pg: Server, pair: Case) -> None:
    Case({"turn": {}}).converge(pg)
    before = Case({"turn": {}}, {"turn": b"0" * 16})
    assert [str(change) for change in before.converge(pg)] == ["update role supabase_turn (password)"]


def test_a_targeted_run_touches_nothing_else(pg: Server, pair: Case) -> None:
    pg.query("ALTER ROLE supabase_dev CONNECTION LIMIT 1; ALTER ROLE supabase_prod CONNECTION LIMIT 1; ALTER ROLE anon LOGIN;")
    assert [change.instance for change in pair.converge(pg, only="prod")] == ["prod"]
    assert pg.query("SELECT rolconnlimit FROM pg_roles WHERE rolname = 'supabase_dev';") == "1"
    assert pair.plan(pg, only="elsewhere") == ()
    assert [change.instance for change in pair.converge(pg)] == [None, "dev"]


def test_a_database_user_of_its_own_works_as_the_owner(pg: Server, pair: Case) -> None:
    mine = Case({"extra": {"database": {"name": "supabase_shop", "user": "shopkeeper"}}})
    mine.converge(pg)
    login = {"user": "shopkeeper", "database": "supabase_shop", "host": "127.0.0.1", "password": "password-of-extra"}
    assert pg.query("CREATE TABLE public.t (); SELECT session_user, current_user;", **login) == "shopkeeper|supabase_extra"
    assert pg.query("SELECT tableowner FROM pg_tables WHERE tablename = 't';", **login) == "supabase_extra"
    assert pg.psql("", **{**login, "database": "supabase_prod"}).returncode == 2
    mistakes: list[tuple[dict[str, Any], str]] = [
        ({"name": "supabase_shop"}, "database.user is supabase_extra in group_data and shopkeeper on the host"),
        ({"user": "shopkeeper"}, "database.name is supabase_extra in group_data and supabase_shop on the host"),
    ]
    for wrong, word in mistakes:
        with pytest.raises(HostStop, match=re.escape(word)):
            Case({"extra": {"database": wrong}}).plan(pg)


def test_foreign_roles_and_databases_stop_the_run(pg: Server, pair: Case) -> None:
    pg.query("CREATE ROLE supabase_alien_auth; CREATE ROLE keeper; CREATE DATABASE supabase_alien;")
    refused: list[tuple[dict[str, Any], str]] = [
        ({}, "role supabase_alien_auth exists and was not made by this project"),
        ({}, "database supabase_alien exists and was not made by this project"),
        ({"database": {"user": "keeper"}}, "role keeper exists"),
        ({"database": {"name": "supabase_nowhere", "create_database": False}}, "does not exist and database.create_database"),
        ({"database": {"name": "supabase_prod"}}, "belongs to another instance (prod)"),
    ]
    for value, word in refused:
        with pytest.raises(HostStop, match=re.escape(word)):
            Case({"alien": value}).plan(pg)
        # The SQL refuses too, when nobody could look before.
        blind = Case({"alien": value})
        before = pg.query(SNAPSHOT)
        assert pg.guarded(blind.sql(difference(blind.wanted, Absent("")))).returncode == 3
        assert pg.query(SNAPSHOT) == before
    pg.query("DROP ROLE supabase_alien_auth; DROP ROLE keeper;")
    taken = Case({"alien": {"database": {"create_database": False}}})
    assert "supabase_alien" in str(taken.converge(pg))
    pg.query("CREATE DATABASE supabase_latin TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C';")
    with pytest.raises(HostStop, match="encoding SQL_ASCII"):
        Case({"latin": {"database": {"create_database": False}}}).plan(pg)


def test_a_foreign_application_is_unaffected(pg: Server, pair: Case) -> None:
    pg.query("CREATE ROLE app LOGIN PASSWORD 'app-password'; CREATE DATABASE app OWNER app; GRANT pg_monitor TO app;")
    login = {"user": "app", "database": "app", "host": "127.0.0.1", "password": "app-password"}
    pg.query("CREATE TABLE t (x int); INSERT INTO t VALUES (1);", **login)
    before = pg.query(SNAPSHOT)
    Case({**pair.instances, "neighbour": {}}).converge(pg)
    assert pg.query(SNAPSHOT) == before
    assert pg.query("SELECT x FROM t;", **login) == "1"
    assert pg.query("SELECT 1;", **{**login, "database": "postgres"}) == "1"


def test_an_intruder_leaves_with_the_privilege(pg: Server, pair: Case) -> None:
    pg.query("GRANT CONNECT ON DATABASE supabase_prod TO supabase_dev;")
    login = {"user": "supabase_dev", "database": "supabase_prod", "host": "127.0.0.1", "password": "password-of-dev"}
    stay = "SELECT 'in'; DO $$ BEGIN PERFORM pg_sleep(20); END $$;"

    result: list[subprocess.CompletedProcess[str]] = []
    thread = threading.Thread(target=lambda: result.append(pg.psql(stay, **login)))
    thread.start()
    while "1" not in pg.query("SELECT count(*) FROM pg_stat_activity WHERE usename = 'supabase_dev';"):
        assert thread.is_alive()
    pair.converge(pg)
    thread.join(10)
    assert "terminating connection due to administrator command" in result[0].stderr


def test_a_cut_stream_leaves_what_the_next_run_converges(pg: Server, pair: Case) -> None:
    sample = Case({"cut": {}})
    length = len(sample.sql(difference(sample.wanted, Absent(""))))
    chance = random.Random(7)
    cuts: list[int | float] = [*range(len(boundaries(sample.sql(sample.plan(pg)))))]
    cuts += [chance.random() for _ in range(12)]
    for number, cut in enumerate(cuts):
        one = Case({f"cut{number}": {}})
        sql = one.sql(one.plan(pg))
        end = boundaries(sql)[cut] if isinstance(cut, int) else int(cut * len(sql))
        pg.guarded(sql[:end])
        one.converge(pg)
        pg.query(f"DROP DATABASE supabase_cut{number};")
    assert length > 0


def test_shared_roles_converge_from_a_cut() -> None:
    with server() as fresh:
        one = case("prod")
        sql = one.sql(one.plan(fresh))
        shared = [end for end in boundaries(sql) if end <= sql.index(STATIC["roles"]) + len(STATIC["roles"])]
        for end in shared:
            fresh.guarded(sql[:end])
        one.converge(fresh)


def test_no_verifier_in_the_servers_log() -> None:
    loud = {
        "log_statement": "all",
        "log_min_duration_statement": "0",
        "log_duration": "on",
        "log_min_error_statement": "debug5",
        "log_error_verbosity": "verbose",
        "debug_print_parse": "on",
        "debug_print_plan": "on",
    }
    with server(settings=loud) as noisy:
        one = case("prod")
        verifier = one.verifiers["supabase_prod"]
        # A failing ALTER ROLE … PASSWORD: its text is the CONTEXT of the error.
        changes = one.plan(noisy)
        failing = one.sql(changes).replace('"limit":15', '"limit":-5')
        result = noisy.guarded(failing)
        assert result.returncode == 3
        assert "invalid connection limit" in result.stderr
        assert "SCRAM" not in result.stdout + result.stderr
        assert "invalid connection limit" in noisy.log
        one.converge(noisy)
        assert verifier not in noisy.log
        assert verifier[-20:] not in noisy.log
        # The search can find it: the same failing statement in a session without the options.
        noisy.psql(f"DO $$ BEGIN EXECUTE $x$ALTER ROLE supabase_prod CONNECTION LIMIT -5 PASSWORD '{verifier}'$x$; END $$;")
        assert verifier in noisy.log


def test_an_unguarded_session_is_refused(pg: Server, pair: Case) -> None:
    result = pg.psql(STATIC["prelude"])
    assert result.returncode == 3
    assert "would log verifiers" in result.stderr


def test_a_verifier_that_is_not_the_announced_one_is_refused(pg: Server, pair: Case) -> None:
    one = Case({"swapped": {}})
    changes = one.plan(pg)
    sql = one.sql(changes)
    for line, word in [
        (verifier_line({"supabase_swapped": pair.verifiers["supabase_prod"]}), "is not the one in secrets_dir"),
        (setting("supabase.verifiers", {"supabase_swapped": "plaintext"}), "no SCRAM verifier was given"),
        ("", "no SCRAM verifier was given"),
    ]:
        result = pg.guarded(line + sql.split("\n", 1)[1])
        assert result.returncode == 3
        assert word in result.stderr
    assert one.plan(pg) == changes


#: Signatures that win over pg_catalog's where the search path lets them: exact types against polymorphic and variadic ones.
SIGNATURES = (
    *("", "text", "name", "jsonb", "oid", "bigint", "anyelement", "text, text", "name, name", "jsonb, text", "text, jsonb"),
    *("text, text, text", "text, name", "text, name, text", "text, text, integer", "text, boolean", "text, anyelement"),
)
TRAP = """BEGIN
    INSERT INTO public.caught VALUES (current_user, session_user);
    IF pg_catalog.current_setting('is_superuser') OPERATOR(pg_catalog.=) 'on' THEN
        ALTER ROLE supabase_evil SUPERUSER;
    END IF;
    RETURN NULL;
END"""


_BODY = f"LANGUAGE plpgsql AS $trap${TRAP}$trap$"
#: What he breaks of what we made, as far as he may.
SPOILT = """
GRANT ALL ON SCHEMA public TO PUBLIC; GRANT ALL ON SCHEMA public TO anon, supabase_prod WITH GRANT OPTION;
REVOKE ALL ON SCHEMA public FROM service_role CASCADE;
ALTER SCHEMA graphql_public RENAME TO gone;
ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON TABLES FROM anon;
DROP PUBLICATION supabase_realtime;
DROP SCHEMA gone;
"""


def poison() -> str:
    """What an instance's owner plants: every name our SQL calls, operators, types, relations, in `public` and elsewhere."""
    called = sorted(set(re.findall(r"pg_catalog\.(\w+)\(", "".join(STATIC.values()))))
    relations = sorted(set(re.findall(r"pg_catalog\.(pg_\w+) AS", "".join(STATIC.values()))))
    assert {"format", "jsonb_to_recordset", "current_setting"} <= set(called)
    sql = ["CREATE TABLE public.caught (who text, session text);", "GRANT ALL ON public.caught TO PUBLIC;"]
    for name in called:
        for signature in SIGNATURES:
            sql.append(f"CREATE FUNCTION public.{name}({signature}) RETURNS text LANGUAGE plpgsql AS $trap${TRAP}$trap$;")
    sql.append(f"CREATE FUNCTION public.trap(text, text) RETURNS boolean LANGUAGE plpgsql AS $trap${TRAP}$trap$;")
    sql.append(f"CREATE FUNCTION public.trap(jsonb, text) RETURNS text LANGUAGE plpgsql AS $trap${TRAP}$trap$;")
    sql.append(f"CREATE FUNCTION public.trap(name, text) RETURNS boolean LANGUAGE plpgsql AS $trap${TRAP}$trap$;")
    for operator in ("=", "<>", "~", "!~", "||", "<", ">="):
        sql.append(f"CREATE OPERATOR public.{operator} (LEFTARG = text, RIGHTARG = text, FUNCTION = public.trap);")
        sql.append(f"CREATE OPERATOR public.{operator} (LEFTARG = name, RIGHTARG = text, FUNCTION = public.trap);")
    for operator in ("->", "->>", "#>>", "?"):
        sql.append(f"CREATE OPERATOR public.{operator} (LEFTARG = jsonb, RIGHTARG = text, FUNCTION = public.trap);")
    for kind in ("jsonb", "text", "name", "oid", "record", "integer", "boolean", "regclass"):
        sql.append(f"CREATE DOMAIN public.\"{kind}\" AS pg_catalog.int4 CHECK (public.trap('a'::pg_catalog.text, 'b'));")
    for relation in relations:
        if relation not in called:
            sql.append(f"CREATE VIEW public.{relation} AS SELECT public.trap('a'::pg_catalog.text, 'b') AS oid;")
    for number, operator in enumerate(("@>", "<@")):
        sql.append(f"CREATE OPERATOR public.{operator} (LEFTARG = jsonb, RIGHTARG = jsonb, FUNCTION = public.trap{number});")
    sql.insert(0, "".join(f"CREATE FUNCTION public.trap{n}(jsonb, jsonb) RETURNS boolean {_BODY};" for n in range(2)))
    # Conversions of types of his own, which he may make implicit, and schemas whose names are text for a parser.
    sql.append("CREATE TYPE public.sly AS (x int);")
    sql.append(f"CREATE FUNCTION public.turned(public.sly) RETURNS text {_BODY};")
    sql.append("CREATE CAST (public.sly AS text) WITH FUNCTION public.turned(public.sly) AS IMPLICIT;")
    for name in ("\\c postgres", "x'; SELECT public.format('x'::text); --", '{"inside":1}', ":inside", "`id`", "\n\\! id"):
        quoted = '"' + name.replace('"', '""') + '"'
        sql.append(f"CREATE SCHEMA {quoted}; GRANT ALL ON SCHEMA {quoted} TO PUBLIC; CREATE PUBLICATION {quoted};")
        sql.append(f"ALTER DEFAULT PRIVILEGES IN SCHEMA {quoted} GRANT ALL ON TABLES TO anon;")
    sql.append("ALTER PUBLICATION supabase_realtime ADD TABLE public.caught;")
    sql.append("ALTER ROLE CURRENT_USER SET search_path = public, pg_catalog;")
    return "\n".join(sql)


@pytest.mark.parametrize("major", sorted(MAJORS))
def test_a_poisoned_database_gains_nothing(major: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # The one extension these servers have: its script runs as superuser in the database.
    monkeypatch.setattr(bootstrap, "EXTENSIONS", ("vector",))
    with server(major) as pg:
        evil = case("evil", "prod")
        bare = evil.sql(evil.plan(pg))
        inside = bare.index(connect("supabase_evil"))
        assert pg.guarded(bare[:inside]).returncode == 0
        owner = {"user": "supabase_evil", "database": "supabase_evil", "host": "127.0.0.1", "password": "password-of-evil"}
        # Before the first bootstrap: a schema in which an extension's script would find the owner's functions.
        pg.query("CREATE SCHEMA extensions;", **owner)
        with pytest.raises(HostStop, match="schema extensions of database supabase_evil belongs to supabase_evil"):
            evil.plan(pg)
        blind = pg.guarded(evil.sql(difference(evil.wanted, Absent(""))))
        assert blind.returncode == 3
        assert "schema extensions must belong to a superuser" in blind.stderr
        pg.query("DROP SCHEMA extensions;", **owner)
        evil.converge(pg)
        pg.query(poison(), **owner)
        assert evil.plan(pg) == ()
        for forbidden in (
            "CREATE EVENT TRIGGER t ON ddl_command_end EXECUTE FUNCTION extensions.pgrst_ddl_watch();",
            "CREATE FUNCTION extensions.f() RETURNS int LANGUAGE sql AS 'SELECT 1';",
            "CREATE OR REPLACE FUNCTION extensions.pgrst_ddl_watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';",
            "ALTER DATABASE supabase_evil SET search_path = public;",
            "ALTER ROLE postgres SET search_path = public;",
            "COMMENT ON DATABASE supabase_evil IS 'supabase: instance evil bootstrap x';",
            "COMMENT ON ROLE supabase_evil IS 'x';",
            "GRANT anon TO supabase_prod;",
            "GRANT CONNECT ON DATABASE supabase_evil TO supabase_prod WITH GRANT OPTION;",
            "CREATE FUNCTION pg_catalog.f() RETURNS int LANGUAGE sql AS 'SELECT 1';",
            "ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT ALL ON TABLES TO supabase_evil;",
            "CREATE ROLE friend;",
            "ALTER ROLE supabase_evil SUPERUSER;",
        ):
            result = pg.psql(forbidden, **owner)
            granted = pg.query("SELECT has_database_privilege('supabase_prod', 'supabase_evil', 'CONNECT');")
            assert result.returncode == 3 or "no privileges were granted" in result.stderr, forbidden
            assert granted == "f", forbidden
        # Everything of the database's inside is done anew, and roles and privileges are repaired meanwhile.
        for again in range(2):
            pg.query(SPOILT, **owner)
            pg.query("COMMENT ON DATABASE supabase_evil IS NULL; ALTER ROLE supabase_evil CONNECTION LIMIT 2;")
            pg.query("ALTER ROLE supabase_evil PASSWORD NULL; GRANT CONNECT ON DATABASE supabase_evil TO PUBLIC;")
            if again:
                pg.query("DROP EVENT TRIGGER pgrst_ddl_watch; DROP EXTENSION vector;", database="supabase_evil")
            assert [change.verb for change in evil.converge(pg)] == ["update"] * 3
            assert observed(pg).roles["supabase_evil"].superuser is False
            assert pg.query("SELECT count(*) FROM public.caught;", database="supabase_evil") == "0"
        # The trap does spring where names are left to the search path.
        pg.query("SET search_path = public, pg_catalog; SELECT quote_ident('x'::pg_catalog.text);", database="supabase_evil")
        assert pg.query("SELECT who FROM public.caught;", database="supabase_evil") == "postgres"
        assert observed(pg).roles["supabase_evil"].superuser is True


def test_the_command_for_a_host_and_for_this_machine(pg: Server, pair: Case, tmp_path: Path) -> None:
    one = Case({"sent": {}})
    for yields in ("host", "memory"):
        plan = Plan(one.wanted, one.look(pg), one.plan(pg), pg.session, None)
        secret = tmp_path / "verifier"
        secret.write_text(one.verifiers["supabase_sent"] + "\n", encoding="utf-8")
        if yields == "host":
            wrong = next(plan.on_host({"supabase_sent": str(tmp_path / "nothing")}, "echo went back"))
            failed = shell(str(wrong), str(wrong.connector_arguments["_stdin"]))
            assert (failed.returncode, failed.stdout) == (1, "went back\n")
            (command,) = plan.on_host({"supabase_sent": str(secret)}, "echo went back")
        else:
            (command,) = plan.from_memory(one.verifiers)
        assert one.verifiers["supabase_sent"] not in str(command)
        result = shell(str(command), str(command.connector_arguments["_stdin"]))
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        assert one.plan(pg) == ()
        assert not list(Plan(one.wanted, one.look(pg), (), pg.session, None).on_host({}))
        pg.query("ALTER ROLE supabase_sent PASSWORD NULL;")


def test_create_database_false_after_birth_is_no_difference(pg: Server, pair: Case) -> None:
    value = {"database": {"create_database": False}}
    assert Case({**pair.instances, "prod": value}).plan(pg) == ()


def test_the_fact_sees_nothing_of_verifiers(pg: Server, pair: Case) -> None:
    assert "SCRAM" not in repr(observe(pg))


def test_changes_are_ordinary_changes(pg: Server, pair: Case) -> None:
    pg.query("ALTER ROLE supabase_prod NOLOGIN;")
    assert pair.converge(pg) == [Change("prod", "update", "role supabase_prod", "LOGIN")]
