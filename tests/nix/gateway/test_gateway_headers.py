"""Headers and other parts of a request that would say something else behind the gateway."""

import pytest

from tests.nix.gateway.keys import ANON, SERVICE
from tests.nix.gateway.running import Gateway


def test_forwarded_headers_are_the_gateways(gateway: Gateway) -> None:
    """Auth builds links from them: a client's own never pass. The last address is the one the edge saw."""
    for path in ("/rest/v1/x", "/auth/v1/x", "/storage/v1/x"):
        answer = gateway.ask(
            path,
            apikey=ANON,
            Host="evil.example",
            Forwarded="for=6.6.6.6;host=evil.example",
            X_Forwarded_For="6.6.6.6, 192.0.2.7",
            X_Forwarded_Host="evil.example",
            X_Forwarded_Port="1",
            X_Forwarded_Prefix="/evil",
            X_Forwarded_Proto="gopher",
            X_Real_IP="6.6.6.6",
        )
        seen = {key: value for key, value in answer.seen.items() if "forwarded" in key or key == "x-real-ip"}
        assert seen == {
            "x-forwarded-for": ["192.0.2.7"],
            "x-forwarded-host": ["supabase.example.org"],
            "x-forwarded-port": ["443"],
            "x-forwarded-prefix": [path.removesuffix("/x")],
            "x-forwarded-proto": ["https"],
            "x-real-ip": ["192.0.2.7"],
        }


def test_header_names_with_underscores_are_dropped(gateway: Gateway) -> None:
    """Some servers read them as dashes."""
    headers = f"Host: x\r\napikey: {ANON}\r\nX_Forwarded_Host: evil.example\r\nx_api_key: {SERVICE}\r\n"
    answer = gateway.raw(f"GET /auth/v1/x HTTP/1.1\r\n{headers}\r\n".encode())
    assert answer.status == 200
    assert not [name for name in answer.seen if "_" in name]
    assert answer.seen["x-forwarded-host"] == ["supabase.example.org"]


@pytest.mark.parametrize("path", ["/rest/v1/x", "/auth/v1/x", "/storage/v1/x", "/pg/x", "/realtime/v1/api/x"])
@pytest.mark.parametrize("protocol", ["websocket", "h2c"])
def test_no_other_protocol(gateway: Gateway, path: str, protocol: str) -> None:
    """Only realtime may leave HTTP, and only for a websocket."""
    answer = gateway.ask(path, apikey=SERVICE, Upgrade=protocol, Connection="Upgrade, HTTP2-Settings", HTTP2_Settings="AAMAAABk")
    assert (answer.status, "upgrade" in answer.seen) == (200, False)
    assert "upgrade" not in gateway.ask("/realtime/v1/websocket", apikey=ANON, Upgrade="h2c", Connection="Upgrade").seen


@pytest.mark.parametrize("target", ["/pg/query", "/", "@unavailable", "/storage/v1/x"])
def test_a_service_does_not_command_the_gateway(gateway: Gateway, target: str) -> None:
    """A function of the database may set any header of its answer."""
    answer = gateway.ask("/rest/v1/rpc/f", apikey=SERVICE, X_Answer_Header=f"X-Accel-Redirect: {target}")
    assert (answer.status, answer.json["service"]) == (200, "rest")


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /rest/v1/x HTTP/1.1\r\n\r\n",
        b"GET /rest/v1/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /rest/v1/x y HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /../../x HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /rest/v1/x HTTP/9.1\r\nHost: x\r\n\r\n",
        b"TRACE /rest/v1/x HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /rest/v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /rest/v1/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
        b"GET /rest/v1/" + b"x" * 33000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /rest/v1/x HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 33000 + b"\r\n\r\n",
    ],
)
def test_malformed(gateway: Gateway, request_: bytes) -> None:
    """What is no proper HTTP gets an answer in JSON all the same."""
    answer = gateway.raw(request_)
    assert (answer.status, answer.message) == (400, "Bad request")
