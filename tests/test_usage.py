"""What a host tells of what is used, from the real script and the real statements."""

import contextlib
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired.errors import HostStop
from desired.usage import DatabaseUse, Memory, ServerUse, Usage, parse_usage
from facts.usage import InUse
from tests.pg import server, shell
from workstation.templates import host_script

SERVER = '{"version": 170002, "max_connections": 470, "connections": 9, "databases": {"supabase_prod": '
USE = '{"bytes": 8000000, "limit": 45, "connections": 2}}}'


@pytest.mark.parametrize(
    ("lines", "usage"),
    [
        ([], Usage()),
        (["data prod", "data way-back"], Usage(data=frozenset({"prod", "way-back"}))),
        (["secret /run/agenix/supabase-prod-jwt"], Usage(secrets=frozenset({"supabase-prod-jwt"}))),
        (
            ["secret /run/agenix/a", "demo /run/agenix/a", "secret /run/agenix/b"],
            Usage(secrets=frozenset("ab"), demo=frozenset("a")),
        ),
        (
            [
                *("slice Id=supabase-prod.slice", "slice MemoryCurrent=1024", "slice MemoryMax=2048", "slice "),
                *("slice MemoryCurrent=[not set]", "slice MemoryMax=infinity", "slice Id=supabase-dev.slice"),
            ],
            Usage(memory={"supabase-prod.slice": Memory(1024, 2048), "supabase-dev.slice": Memory(None, None)}),
        ),
        (
            ["slice MemoryCurrent=18446744073709551615", "slice Id=supabase-prod.slice"],
            Usage(memory={"supabase-prod.slice": Memory(None, None)}),
        ),
        ([SERVER + USE], Usage(ServerUse(170002, 9, 470, {"supabase_prod": DatabaseUse(8000000, 2, 45)}))),
        (["noise of a login shell"], Usage()),
    ],
)
def test_parse(lines: list[str], usage: Usage) -> None:
    assert parse_usage(lines) == usage


@pytest.mark.parametrize("line", ["{", "{}", SERVER + "{}}}", SERVER[:-20] + "[]}", '{"databases": 1}'])
def test_what_is_no_answer(line: str) -> None:
    with pytest.raises(HostStop, match="could not be read"):
        InUse().process([line])


@given(st.lists(st.text(max_size=30)))
def test_nothing_else_escapes(lines: list[str]) -> None:
    with contextlib.suppress(HostStop):
        assert isinstance(InUse().process(lines), Usage)


#: Supabase's own examples: keys of issuer supabase-demo, signing secret, and the two defaults (supabase-stack.md §5).
DEMO = {
    "anon": "eyJhbGciOiAiSFMyNTYiLCAidHlwIjogIkpXVCJ9.eyJyb2xlIjogImFub24iLCAiaXNzIjogInN1cGFiYXNlLWRlbW8iLCAiaWF0IjogMX0.x",
    "service": "eyJhbGciOiJIUzI1NiJ9.eyAgCiAgICAicm9sZSI6ICJzZXJ2aWNlX3JvbGUiLAogICAgImlzcyI6ICJzdXBhYmFzZS1kZW1vIn0.x",
    "short": "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJzdXBhYmFzZS1kZW1vIiwicm9sZSI6ImFub24ifQ.x",
    "jwt": "your-super-secret-jwt-token-with-at-least-32-characters-long",
    "realtime": "supabaserealtime",
    "meta": "SAMPLE_KEY",
}


def test_demo_values(tmp_path: Path) -> None:
    """With and without a last line end; a missing and an empty file are no secret; no value is printed."""
    good = {"own": "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJzdXBhYmFzZSIsInJvbGUiOiJhbm9uIn0.x", "long": "supabaserealtime2", "empty": ""}
    for number, (name, value) in enumerate({**DEMO, **good}.items()):
        (tmp_path / name).write_text(value + "\n" * (number % 2 if value else 0))
    paths = [str(tmp_path / name) for name in (*DEMO, *good, "absent")]
    done = subprocess.run(["sh", "-c", host_script("status"), "status", *paths], capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if str(tmp_path) in line]
    assert {Path(line[5:]).name for line in lines if line.startswith("demo ")} == {*DEMO}
    assert {Path(line[7:]).name for line in lines if line.startswith("secret ")} == {*DEMO, "own", "long"}
    assert len(lines) == 2 * len(DEMO) + 2
    assert not any(value in done.stdout for value in DEMO.values())


@pytest.mark.parametrize("major", [16, 18])
def test_a_real_server(major: int) -> None:
    with server(major) as pg:
        names = ["supabase_prod", "supabase_odd'name", "shop"]
        for name in names:
            pg.query(f'CREATE DATABASE "{name}" CONNECTION LIMIT 7;')
        found: Any = InUse().process(shell(InUse().command(pg.session)).stdout.splitlines())
        assert found.server is not None
        assert found.server.version // 10000 == major
        assert found.server.max_connections == 60
        assert found.server.connections == 1
        assert {name: (use.connections, use.limit) for name, use in found.server.databases.items()} == dict.fromkeys(
            names[:2], (0, 7)
        )
        assert all(use.bytes > 1_000_000 for use in found.server.databases.values())
    silent: Any = InUse().process(shell(InUse().command(pg.session)).stdout.splitlines())
    assert silent.server is None
