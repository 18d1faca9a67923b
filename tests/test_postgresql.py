"""The fact: what it says of a PostgreSQL that is not there, not for us, too old, or bare."""

import base64
import gzip
import os

import pytest

from desired.cluster_diff import difference
from desired.cluster_state import Absent, Observed, Unreachable
from desired.errors import HostStop
from desired.sql_text import session
from facts.postgresql import Cluster
from tests.clusters import case, observe
from tests.pg import MAJORS, TOO_OLD, server, shell


def ask(text: str) -> object:
    return Cluster().process(shell(Cluster().command(text)).stdout.splitlines())


def test_no_psql() -> None:
    assert isinstance(ask(session(psql="/nonexistent/psql")), Absent)


def test_no_user_postgres() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may become another user")
    assert isinstance(ask(session(("runuser", "-u", "no-such-user", "--"))), Absent)


def test_no_server() -> None:
    psql = str(MAJORS[16] / "bin/psql")
    for connection in (("-h", "/nonexistent"), ("-h", "127.0.0.1", "-p", "1")):
        assert isinstance(ask(session(psql=psql, connection=connection)), Absent)


def test_silence_is_not_absence() -> None:
    assert isinstance(Cluster.default(), Unreachable)
    assert isinstance(Cluster().process(["{}"]), Unreachable)
    assert isinstance(Cluster().process(["status 0"]), Unreachable)


def packed(text: str) -> str:
    return "packed " + base64.b64encode(gzip.compress(text.encode())).decode()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (packed('{"version": 170000')[:-8], "what psql gave arrived damaged"),
        ("packed H", "what psql gave arrived damaged"),
        ("packed ", "psql ended with status 0"),
        (packed('{"version": 17'), "what psql gave arrived damaged"),
        (packed("not JSON\n"), "what psql gave arrived damaged"),
        (packed(""), "psql ended with status 0"),
        ('{"version": 170000}', "the connection to the host ended before psql did"),
    ],
)
def test_an_answer_that_is_none(line: str, reason: str) -> None:
    assert Cluster().process([line, "status 0"]) == Unreachable(reason)


def test_what_a_login_s_shell_says_is_no_answer() -> None:
    found = Cluster().process(["Welcome to web1", "", packed('{"version": 150000}\n'), "", "status 0"])
    assert isinstance(found, Observed)
    assert found.version == 150000


@pytest.mark.parametrize("major", sorted(MAJORS))
def test_a_bare_server_and_one_that_refuses(major: int) -> None:
    with server(major) as pg:
        bare = observe(pg)
        assert isinstance(bare, Observed)
        assert bare.version // 10000 == major
        assert (bare.roles, bare.databases) == ({}, {})
        assert "plpgsql" in bare.extensions
        assert bare.settings["max_connections"] == "60"
        # Another login than the superuser: a server is there, the question is refused.
        pg.query("CREATE ROLE nosy LOGIN;")
        refused = ask(pg.session.replace("-U postgres", "-U nosy"))
        assert isinstance(refused, Unreachable)
        assert "permission denied" in refused.reason
        with pytest.raises(HostStop, match="cannot be read"):
            difference(case("prod").wanted, Unreachable("permission denied"))
        assert isinstance(ask(pg.session.replace("-d postgres", "-d nowhere")), Unreachable)
        pg.query("ALTER SYSTEM SET max_connections = 61; SELECT pg_reload_conf(); SELECT pg_sleep(0.2);")
        again = observe(pg)
        assert isinstance(again, Observed)
        assert again.pending_restart == ("max_connections",)


def test_a_server_that_is_too_old() -> None:
    if not (TOO_OLD / "bin/postgres").exists():
        pytest.skip(f"no PostgreSQL 15 in {TOO_OLD}")
    with server(15) as pg:
        old = observe(pg)
        assert isinstance(old, Observed)
        with pytest.raises(HostStop, match="version 15 is too old"):
            difference(case("prod").wanted, old)
        result = pg.guarded(case("prod").sql(difference(case("prod").wanted, Absent(""))))
        assert result.returncode == 3
        assert "too old: 16 or newer" in result.stderr
