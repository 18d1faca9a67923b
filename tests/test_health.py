"""Questions to gateways, asked by the real script of real sockets."""

import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from facts.health import Health, Probe, health_args, lightly, parse_health, unhealthy
from tests import require


class Gateway(BaseHTTPRequestHandler):
    """Answers 401 to a wrong key, 406 for a schema it does not serve, else 200; `asked` keeps the paths."""

    asked: list[str]

    def do_HEAD(self) -> None:
        self.asked.append(self.path)
        served = 406 if self.headers["Accept-Profile"] else 200
        self.send_response(served if self.headers["apikey"] == "right" else 401)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def gateway() -> Iterator[tuple[int, list[str]]]:
    """Port, and the paths that were asked for."""
    require.programs("curl")
    Gateway.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1], Gateway.asked
    server.shutdown()
    server.server_close()


def ask(probes: tuple[Probe, ...], wait: int = 0) -> dict[str, str]:
    done = subprocess.run(["sh", "-c", Health().command(probes, wait)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return Health().process(done.stdout.splitlines())


def test_every_instance_gets_its_answer(gateway: tuple[int, list[str]], tmp_path: Path) -> None:
    port, asked = gateway
    (tmp_path / "right").write_text("right\n")
    (tmp_path / "wrong").write_text("wrong")
    keys = {"good": "right", "bad": "wrong", "keyless": "absent"}
    probes = tuple(Probe(name, port, os.getuid(), str(tmp_path / key), "200") for name, key in keys.items())
    dead = Probe("dead", 1, os.getuid(), str(tmp_path / "right"), "200")
    answers = ask((*probes, dead))
    assert answers == {"good": "200", "bad": "401", "keyless": "401"}
    assert unhealthy((*probes, dead), answers) == {"bad": "401", "keyless": "401", "dead": "000"}
    assert set(asked) == {"/rest/v1/"}


def test_lightly_asks_for_a_schema_that_is_not_served(gateway: tuple[int, list[str]], tmp_path: Path) -> None:
    (tmp_path / "right").write_text("right\n")
    good = Probe("good", gateway[0], os.getuid(), str(tmp_path / "right"), "200")
    probes = lightly((good, Probe("restless", gateway[0], os.getuid(), str(tmp_path / "right"), "404")))
    assert [probe.status for probe in probes] == ["406", "404"]
    assert ask(probes) == {"good": "406", "restless": "200"}


def test_a_stranger_on_the_port_gets_no_key(gateway: tuple[int, list[str]], tmp_path: Path) -> None:
    port, asked = gateway
    (tmp_path / "right").write_text("right\n")
    probes = (Probe("good", port, os.getuid() + 1, str(tmp_path / "right"), "200"),)
    assert unhealthy(probes, ask(probes)) == {"good": "000"}
    assert asked == []


def test_no_answer_is_waited_for_longer_than_said(tmp_path: Path) -> None:
    require.programs("curl")
    dead = (Probe("dead", 1, os.getuid(), str(tmp_path), "200"),)
    assert unhealthy(dead, ask(dead, wait=1)) == {"dead": "000"}


@pytest.mark.parametrize(
    ("lines", "answers"),
    [
        ([], {}),
        (["health prod 200", "health dev 000"], {"prod": "200", "dev": "000"}),
        (["health prod", "health", "", "curl: (7) failed", "health a b c", "prod 200"], {}),
    ],
)
def test_output_that_is_cut_off_is_no_answer(lines: list[str], answers: dict[str, str]) -> None:
    assert parse_health(lines) == answers


def test_one_that_was_not_asked_is_not_healthy() -> None:
    probes = (Probe("prod", 8000, 20000, "/k", "200"), Probe("off", 8001, 20016, "/k", "404"))
    assert unhealthy(probes, {}) == {"prod": "000", "off": "000"}
    assert unhealthy(probes, {"prod": "200", "off": "404"}) == {}
    assert unhealthy(probes, {"prod": "404", "off": "200"}) == {"prod": "404", "off": "200"}


def test_arguments() -> None:
    probes = (Probe("prod", 8000, 20000, "/k", "200"), Probe("dev", 8001, 20016, "/l", "404"))
    assert health_args(probes, 3) == (
        *("3", "prod", "8000", "1F40:20000", "/k", "200"),
        *("dev", "8001", "1F41:20016", "/l", "404"),
    )


def test_a_full_host_fits_into_one_argument() -> None:
    """Linux: 128 KiB an argument (MAX_ARG_STRLEN)."""
    names = [f"instance{number:05}" for number in range(600)]
    probes = tuple(Probe(name, 29999, 29999, f"/run/agenix/supabase-{name}-service", "200") for name in names)
    assert len(Health().command(probes, 30)) < 128 * 1024 - 4096
