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


#: What clients tell services, and services clients, beside what is the gateway's.
SENT = {
    "Accept": "application/vnd.pgrst.object+json",
    "Accept-Encoding": "gzip, br",
    "Accept-Profile": "other",
    "Content-Type": "application/offset+octet-stream",
    "If-None-Match": '"ab"',
    "Prefer": "return=representation,count=exact",
    "Range": "bytes=0-99",
    "Range-Unit": "items",
    "Tus-Resumable": "1.0.0",
    "Upload-Metadata": "bucketName Yg==,objectName eA==",
    "Upload-Offset": "0",
    "X-Client-Info": "supabase-js-web/2.119.1",
    "X-Upsert": "true",
}
ANSWERED = [
    (206, "Content-Range: bytes 0-99/3000"),
    (206, "Content-Range: 0-9/573"),
    (200, "Content-Encoding: br"),
    (200, "Content-Profile: other"),
    (200, 'ETag: W/"ab"'),
    (200, "Cache-Control: max-age=3600"),
    (200, "Content-Disposition: attachment; filename=x"),
    (200, "Set-Cookie: sb=x; HttpOnly"),
    (201, "Preference-Applied: return=representation"),
    (201, "Location: https://supabase.example.org/storage/v1/upload/resumable/x"),
    (304, 'ETag: "ab"'),
    (401, 'WWW-Authenticate: Bearer error="invalid_token"'),
    (429, "Retry-After: 30"),
]


@pytest.mark.parametrize("path", ["/rest/v1/x", "/auth/v1/x", "/storage/v1/upload/resumable", "/pg/x"])
def test_what_clients_say_arrives(gateway: Gateway, path: str) -> None:
    """To the letter."""
    seen = gateway.ask(path, "PATCH", "x", **{name.replace("-", "_"): value for name, value in SENT.items()}, apikey=SERVICE).seen
    assert {name: seen[name.lower()] for name in SENT} == {name: [value] for name, value in SENT.items()}


@pytest.mark.parametrize("path", ["/rest/v1/x", "/auth/v1/x", "/storage/v1/x"])
@pytest.mark.parametrize(("status", "header"), ANSWERED)
def test_what_services_say_arrives(gateway: Gateway, path: str, status: int, header: str) -> None:
    """Statuses that are no errors of the gateway's own, and headers that clients read."""
    method = "HEAD" if status == 304 else "GET"
    answer = gateway.ask(path, method, apikey=ANON, X_Answer_Status=str(status), X_Answer_Header=header)
    name, value = header.split(": ", 1)
    assert (answer.status, answer.header(name)) == (status, [value])


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
