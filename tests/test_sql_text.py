"""Quoting and verifiers, against real psql, PostgreSQL and shells."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from desired import scram
from desired.errors import SecretStop
from desired.sql_text import OPTIONS, STATIC, connect, literal, psql_word, session, setting, verifier_line, with_verifiers
from tests.pg import Server, server

#: What breaks quoting, over-represented; any character PostgreSQL can hold besides.
ODD = st.sampled_from("'\"\\:$`;\n\r\t{}%=/?& aé€😀")
TEXT = st.text(ODD | st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
SHELLS = [name for name in ("dash", "bash") if shutil.which(name)]
VERIFIER = scram.verifier("secret", b"0123456789abcdef")
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def pg() -> Iterator[Server]:
    with server() as made:
        yield made


def run(pg: Server, sql: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["sh", "-c", pg.session], input=sql.encode(), capture_output=True, check=False, cwd="/")


@FEW
@given(values=st.lists(TEXT, min_size=1, max_size=30))
@example(values=["'", "\\", "\\'", "''", "'; DROP ROLE x; --", ":x", "$$", "\\g", ""])
def test_a_literal_is_the_text(pg: Server, values: list[str]) -> None:
    rows = ", ".join(f"pg_catalog.encode(pg_catalog.convert_to({literal(value)}, 'UTF8'), 'hex')" for value in values)
    wanted = "|".join(value.encode().hex() for value in values)
    for conforming in ("on", "off"):
        result = run(pg, f"SET standard_conforming_strings = {conforming};\n\\set x surprise\nSELECT {rows};\n")
        assert (result.stdout.decode().strip("\n"), result.stderr) == (wanted, b"")


@FEW
@given(values=st.lists(TEXT.filter(bool), min_size=1, max_size=20))
@example(values=["'", "\\", "`id`", ":x", ":'x'", "a b", "\n\\! id", "|", "~"])
def test_a_psql_word_is_one_argument(pg: Server, values: list[str]) -> None:
    lines = "".join(f"\\echo {psql_word(value)}\n" for value in values)
    assert run(pg, "\\set x surprise\n" + lines).stdout == "".join(f"{value}\n" for value in values).encode()


@FEW
@given(
    name=TEXT.map(lambda text: text.encode()[:60].decode(errors="ignore")).filter(
        lambda text: text not in ("", "postgres", "template1")
    )
)
@example(name='a"b""c')
@example(name="a=b")
@example(name="postgresql://elsewhere/x")
@example(name="x' user='y")
@example(name="-")
@example(name="\\'")
def test_connect_goes_to_the_database_of_that_name(pg: Server, name: str) -> None:
    result = run(pg, connect(name))
    assert result.returncode == 3
    assert f'database "{name}" does not exist'.encode() in result.stderr


def test_connect_keeps_options_and_reaches_odd_names(pg: Server) -> None:
    for name in ("odd = 'name'", "back\\slash", "postgresql://x"):
        quoted = '"' + name + '"'
        options = "\n".join(f"SELECT pg_catalog.current_setting('{key}');" for key in OPTIONS)
        result = run(pg, f"CREATE DATABASE {quoted};\n{connect(name)}SELECT pg_catalog.current_database();\n{options}\n")
        assert result.stderr == b""
        assert result.stdout.decode().splitlines() == [name, *OPTIONS.values()]


@pytest.mark.parametrize("value", ["a\x00b", "\x00", "\ud800"])
def test_what_postgresql_cannot_hold_is_refused(value: str) -> None:
    for function in (literal, psql_word, connect):
        with pytest.raises(ValueError):
            function(value)


def test_connect_refuses_no_name() -> None:
    with pytest.raises(ValueError):
        connect("")


def test_a_document_arrives(pg: Server) -> None:
    value = {"text": 'it\'s \\ "q" \n é 😀', "list": [1, True, None]}
    sql = setting("supabase.plan", value) + "SELECT current_setting('supabase.plan')::jsonb = "
    assert run(pg, sql + setting("x", value).removeprefix("SET x = ").strip(";\n") + "::jsonb;\n").stdout == b"t\n"


def test_the_session_says_what_runs_it() -> None:
    text = session(("runuser", "-u", "postgres", "--"), connection=("-p", "5433"))
    assert text.startswith("runuser -u postgres -- env LC_ALL=C ")
    assert text.endswith(" -d postgres -f - -p 5433")
    for option in ("log_statement=none", "search_path=pg_catalog,pg_temp", "log_error_verbosity=terse"):
        assert option in text


def test_a_verifier_from_memory_is_checked() -> None:
    assert verifier_line({"prod": VERIFIER}) == f'SET supabase.verifiers = \'{{"prod":"{VERIFIER}"}}\';\n'
    for wrong in ("password", VERIFIER + "'", VERIFIER + "\n", VERIFIER.replace("4096", "1"), ""):
        with pytest.raises(SecretStop) as stop:
            verifier_line({"prod": wrong})
        assert "prod" in str(stop.value)
        assert wrong == "" or wrong.strip() not in str(stop.value)


def compose(shell: str, paths: dict[str, str], stdin: str = "rest\n", run_by: str = "cat") -> subprocess.CompletedProcess[str]:
    text = with_verifiers(paths, run_by)
    return subprocess.run([shell, "-c", text], input=stdin, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_host_composes_the_same_line(shell: str, tmp_path: Path) -> None:
    odd = tmp_path / "it's $HOME `id`"
    odd.write_text(VERIFIER, encoding="utf-8")
    usual = tmp_path / "usual"
    usual.write_text(VERIFIER + "\n", encoding="utf-8")
    result = compose(shell, {"prod": str(odd), "dev": str(usual)})
    assert result.stdout == verifier_line({"dev": VERIFIER, "prod": VERIFIER}) + "rest\n"
    assert (result.returncode, result.stderr) == (0, "")
    assert compose(shell, {"prod": str(odd)}, run_by="false").returncode == 1
    assert compose(shell, {}).stdout == "rest\n"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "\n",
        "password\n",
        f"{VERIFIER}\n\n",
        f"{VERIFIER}\nmore",
        f" {VERIFIER}",
        f"{VERIFIER} ",
        f"{VERIFIER}'",
        f'{VERIFIER}"',
        f"{VERIFIER}:x",
        f"{VERIFIER}$x",
        f"{VERIFIER}\r\n",
        "SCRAM-SHA-256$4096:$x:y",
        "SCRAM-SHA-256$4096:x$:y",
        "SCRAM-SHA-256$4096:x$y:",
        "SCRAM-SHA-256$4096:x$y",
        "SCRAM-SHA-256$1:x$y:z",
        "SCRAM-SHA-256$4096:é$y:z",
        "SCRAM-SHA-256$4096:x$y:$(id)",
    ],
)
def test_the_host_refuses_what_is_no_verifier(shell: str, content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_text(content, encoding="utf-8", newline="")
    result = compose(shell, {"prod": str(path)}, run_by="touch ran; cat")
    assert result.returncode == 1
    assert result.stdout == ""
    assert f"prod: {path} holds no SCRAM verifier" in result.stderr
    assert not content or content.strip() == "" or content.strip() not in result.stderr


#: SQL words that stand before a parenthesis without being functions, COALESCE and NULLIF (grammar, not names) among them.
GRAMMAR = frozenset(
    {"as", "in", "exists", "not", "and", "or", "on", "if", "values", "when", "then", "else", "select", "from", "where", "with"}
    | {"over", "filter", "coalesce", "nullif", "any", "array", "join", "lateral", "tag", "into", "is", "materialized"}
)


@pytest.mark.parametrize("name", sorted(STATIC))
def test_static_sql_calls_qualified_functions_only(name: str) -> None:
    code = re.sub(r"--[^\n]*", "", STATIC[name])
    code = re.sub(r"'(?:[^']|'')*'", "''", code)
    calls = re.findall(r"(?<![\w.])([A-Za-z_]\w*)\s*\(", code)
    aliases = re.findall(r"\bAS (\w+)\(", code) + re.findall(r"\bWITH (\w+)\b", code)
    assert [call for call in calls if call.lower() not in GRAMMAR and call not in aliases] == []
    qualified = set(re.findall(r"\b(\w+)\.\w+\s*\(", code))
    assert qualified <= {"pg_catalog", "extensions"}


@pytest.mark.parametrize("name", sorted(STATIC))
def test_static_sql_reads_qualified_relations_only(name: str) -> None:
    code = re.sub(r"--[^\n]*", "", STATIC[name])
    code = re.sub(r"'(?:[^']|'')*'", "''", code)
    known = set(re.findall(r"(?:WITH|,)\s+(\w+) AS (?:MATERIALIZED )?\(", code))
    code = re.sub(r"IS (?:NOT )?DISTINCT FROM", "", code)
    for relation in re.findall(r"\b(?:FROM|JOIN)\s+([A-Za-z_][\w.]*)", code):
        assert relation.startswith("pg_catalog.") or relation in known or relation.isupper(), relation
