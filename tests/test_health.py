"""Questions to gateways, asked by the real script of real sockets."""

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired.instance import Instance
from facts.health import Health, Probe, Question, health_args, limited, parse_health, told, unhealthy
from tests import require
from tests.estates import host
from tests.leaks import sampled

EVERY = ("rest", "auth", "storage", "realtime", "meta", "studio")
LIGHT = {"/rest/v1/", "/auth/v1/health", "/storage/v1/status", "/realtime/v1/healthcheck", "/pg/health", "/api/platform/profile"}
WHOLE = {
    "/rest/v1/",
    "/auth/v1/admin/users?per_page=1",
    "/storage/v1/bucket",
    "/realtime/v1/health",
    "/pg/health",
    "/api/platform/profile",
}


class Handler(BaseHTTPRequestHandler):
    """Like a gateway whose service key is `right` and whose Studio has the password `open`; `asked` keeps method and path.
    `broken`: path to the status or the text that it answers instead."""

    asked: list[str]
    broken: dict[str, int | str]

    def do_GET(self) -> None:
        self.asked.append(f"{self.command} {self.path}")
        login = "Basic " + base64.b64encode(b"supabase:open").decode()
        known = self.headers["Authorization"] == login if "/api/" in self.path else self.headers["apikey"] == "right"
        answer = self.broken.get(self.path.partition("?")[0], 200) if known else 401
        body = answer if isinstance(answer, str) else '{"data":{"healthy":true}}'
        self.send_response(answer if isinstance(answer, int) else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body.encode())

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_OPTIONS(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Gateway:
    """A running one, the secrets beside it."""

    port: int
    secrets: Path

    def probe(self, name: str = "prod", *services: str, key: str = "right", password: str = "open", **more: Any) -> Probe:
        """`key`, `password`: names of files."""
        paths = (str(self.secrets / key), str(self.secrets / password))
        return replace(Probe(name, self.port, *paths, services or EVERY, os.getuid()), **more)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    require.programs("curl", "awk")
    Handler.asked, Handler.broken = [], {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name, text in (("right", "right\n"), ("open", "open"), ("wrong", "wrong")):
        (tmp_path / name).write_text(text)
    yield Gateway(server.server_address[1], tmp_path)
    server.shutdown()
    server.server_close()


def ask(*probes: Probe, wait: int = 0, light: bool = False) -> dict[Question, str]:
    done = subprocess.run(["sh", "-c", Health().command(probes, wait, light)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return Health().process(done.stdout.splitlines())


def broken(*probes: Probe, **options: Any) -> dict[str, str]:
    return told(probes, unhealthy(probes, ask(*probes, **options)))


@pytest.mark.parametrize("light", [True, False])
def test_every_service_is_asked_once(gateway: Gateway, light: bool) -> None:
    assert ask(gateway.probe(), light=light) == {("prod", service): "ok" for service in EVERY}
    assert {path.split()[1] for path in Handler.asked} == (LIGHT if light else WHOLE)
    assert len(Handler.asked) == len(EVERY)
    rest = "OPTIONS /rest/v1/" if light else "HEAD /rest/v1/"
    assert [asked for asked in Handler.asked if not asked.startswith("GET")] == [rest]


def test_lightly_an_api_is_one_request(gateway: Gateway) -> None:
    assert broken(gateway.probe("prod", "rest"), light=True) == {}
    assert Handler.asked == ["OPTIONS /rest/v1/"]


@pytest.mark.parametrize(
    ("path", "answer", "light", "whole"),
    [
        ("/rest/v1/", 503, "rest answers HTTP 503", "rest answers HTTP 503"),
        ("/rest/v1/", 405, "rest answers HTTP 405", "rest answers HTTP 405"),
        ("/auth/v1/health", 502, "auth answers HTTP 502", None),
        ("/auth/v1/admin/users", 500, None, "auth answers HTTP 500"),
        ("/storage/v1/status", 503, "storage answers HTTP 503", None),
        ("/storage/v1/bucket", 403, None, "storage answers HTTP 403"),
        ("/realtime/v1/healthcheck", 403, "realtime answers HTTP 403", None),
        ("/realtime/v1/health", 403, None, "realtime answers HTTP 403"),
        ("/realtime/v1/health", '{"data": {"healthy": true, "connected_cluster": 1}}', None, None),
        ("/realtime/v1/health", '{"data":{"healthy":false,"db_connected":true}}', None, "realtime says it is not healthy"),
        ("/realtime/v1/health", "", None, "realtime says it is not healthy"),
        ("/pg/health", 404, "meta answers HTTP 404", "meta answers HTTP 404"),
        ("/api/platform/profile", 401, "studio answers HTTP 401", "studio answers HTTP 401"),
    ],
)
def test_what_is_broken_is_named(gateway: Gateway, path: str, answer: int | str, light: str | None, whole: str | None) -> None:
    Handler.broken[path] = answer
    for form, expected in ((True, light), (False, whole)):
        assert broken(gateway.probe(), light=form) == ({"prod": expected} if expected else {})


def test_several_instances_and_services(gateway: Gateway) -> None:
    Handler.broken = {"/pg/health": 503, "/realtime/v1/health": "{}"}
    probes = (
        gateway.probe("a"),
        gateway.probe("b", "rest", "auth"),
        gateway.probe("c", "rest", "studio", key="wrong"),
        gateway.probe("d", "studio", "rest", password="absent"),
        gateway.probe("e", port=1),
    )
    assert broken(*probes) == {
        "a": "realtime says it is not healthy, meta answers HTTP 503",
        "c": "rest answers HTTP 401",
        "d": "studio answers HTTP 401",
        "e": "does not answer",
    }


def test_an_instance_that_serves_nothing_shows_that_its_gateway_runs(gateway: Gateway) -> None:
    Handler.broken["/functions/v1"] = 404
    assert broken(gateway.probe("prod", "gateway"), light=True) == broken(gateway.probe("prod", "gateway")) == {}
    Handler.broken.clear()
    assert broken(gateway.probe("prod", "gateway")) == {"prod": "gateway answers HTTP 200"}


def test_a_stranger_on_the_port_gets_no_key(gateway: Gateway) -> None:
    assert broken(gateway.probe(uid=os.getuid() + 1)) == {"prod": "does not answer"}
    assert Handler.asked == []


def test_no_answer_is_waited_for_longer_than_said(gateway: Gateway) -> None:
    assert broken(gateway.probe(port=1), wait=1) == {"prod": "does not answer"}


def test_an_answer_that_comes_late_is_waited_for(gateway: Gateway) -> None:
    Handler.broken["/auth/v1/health"] = 503
    timer = threading.Timer(0.5, Handler.broken.clear)
    timer.start()
    assert broken(gateway.probe(), wait=5, light=True) == {}
    timer.join()


def test_no_key_in_any_argument_or_environment(gateway: Gateway) -> None:
    keys = {"key": "SERVICE-KEY-THAT-NOBODY-SEES", "password": "PASSWORD-THAT-NOBODY-SEES"}
    for name, text in keys.items():
        (gateway.secrets / name).write_text(text)
    with sampled() as sampler:
        while sampler.rounds < 3 or (sampler.rounds < 100 and not any(b"curl" in text for text in sampler.seen)):
            ask(gateway.probe(**{name: name for name in keys}))
    assert any(b"curl" in text for text in sampler.seen), "the search sees what it looks for"
    assert not [text for text in sampler.seen for key in keys.values() if key.encode() in text]


def test_nothing_is_left_behind(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Bodies are read from files."""
    place = tmp_path / "empty"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    assert broken(gateway.probe()) == {}
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("lines", "answers"),
    [
        ([], {}),
        (["health prod rest ok", "health dev auth 000"], {("prod", "rest"): "ok", ("dev", "auth"): "000"}),
        (["health prod rest", "health", "", "curl: (7) failed", "health a b c d", "prod rest ok"], {}),
    ],
)
def test_output_that_is_cut_off_is_no_answer(lines: list[str], answers: dict[Question, str]) -> None:
    assert parse_health(lines) == answers


def probe(name: str, *services: str) -> Probe:
    return Probe(name, 8000, "/k", "/p", services)


def test_one_that_was_not_asked_is_not_healthy() -> None:
    probes = (probe("prod", "rest", "auth"), probe("off", "gateway"))
    assert unhealthy(probes, {}) == {("prod", "rest"): "000", ("prod", "auth"): "000", ("off", "gateway"): "000"}
    assert unhealthy(probes, {("prod", "rest"): "ok", ("prod", "auth"): "ok", ("off", "gateway"): "ok"}) == {}
    some = unhealthy(probes, {("prod", "rest"): "ok", ("off", "gateway"): "200", ("else", "rest"): "ok"})
    assert told(probes, some) == {"prod": "auth does not answer", "off": "gateway answers HTTP 200"}


probes_of = st.lists(st.sets(st.sampled_from(EVERY), min_size=1), max_size=4).map(
    lambda found: tuple(probe(f"i{number}", *sorted(services)) for number, services in enumerate(found))
)


@given(probes_of, st.sets(st.tuples(st.sampled_from(["i0", "i1", "i2"]), st.sampled_from(EVERY))))
def test_probes_are_divided_by_questions(probes: tuple[Probe, ...], questions: set[Question]) -> None:
    def asked(of: tuple[Probe, ...]) -> set[Question]:
        return set(unhealthy(of, {}))

    some, others = limited(probes, questions, inside=True), limited(probes, questions, inside=False)
    assert asked(some) == asked(probes) & questions
    assert asked(others) == asked(probes) - questions
    assert all(item.services for item in (*some, *others))


def item(**value: Any) -> Instance:
    return host({"prod": value}).instances[0]


@pytest.mark.parametrize(
    ("value", "services"),
    [
        ({}, EVERY),
        ({"profile": "app"}, ("rest", "auth", "storage")),
        ({"profile": "api"}, ("rest",)),
        ({"profile": "api", "services": {"rest_api": False}}, ("gateway",)),
        ({"profile": "app", "services": {"rest_api": False, "auth": False}}, ("storage",)),
    ],
)
def test_what_is_asked_of_an_instance(value: dict[str, Any], services: tuple[str, ...]) -> None:
    found = Probe.of("prod", item(**value).option)
    assert set(found.services) == set(services)
    assert (found.port, found.uid, found.key) == (8000, 0, "/run/agenix/supabase-prod-service")
    assert found.password == "/run/agenix/supabase-prod-dashboard"


def test_arguments() -> None:
    probes = (probe("prod", "rest", "studio"), replace(probe("dev", "gateway"), port=8001))
    wait, questions, *rest = health_args(probes, 3, light=True)
    assert wait == "3"
    assert "rest OPTIONS /rest/v1/ 200;" in questions
    assert rest == ["prod", "8000", "1F40:0", "/k", "/p", "rest studio", "dev", "8001", "1F41:0", "/k", "/p", "gateway"]


@pytest.mark.parametrize("light", [True, False])
def test_a_full_host_fits_into_one_argument(light: bool) -> None:
    """Linux: 128 KiB an argument (MAX_ARG_STRLEN)."""
    option = item().option
    probes = tuple(Probe.of(f"instance{number:05}", {**option, "port": 29999}) for number in range(600))
    assert len(Health().command(probes, 30, light)) < 128 * 1024 - 4096
