"""The key check, and what a key is translated into."""

import pytest

from tests.nix.gateway.keys import ANON, OLD, SERVICE
from tests.nix.gateway.running import Gateway

USER = "Bearer a.user.token"
S3 = "AWS4-HMAC-SHA256 Credential=id/20261125/local/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=ab"
BASIC = "Basic c3VwYWJhc2U6eA=="


@pytest.mark.parametrize("key", [ANON, OLD, SERVICE], ids=["anon", "anon-previous", "service"])
def test_a_key_of_the_list_passes(gateway: Gateway, key: str) -> None:
    """In the header or in the query; several of a role at once."""
    for answer in (
        gateway.ask("/rest/v1/todos?select=*", apikey=key),
        gateway.ask(f"/rest/v1/todos?apikey={key}&select=*"),
        gateway.ask("/rest/v1/todos?select=*", apikey=key, Authorization=f"Bearer {key}"),
    ):
        assert answer.status == 200
        assert answer.json["path"] == "/todos?select=*"
        assert answer.seen["authorization"] == [f"Bearer {key}"]
        assert answer.seen["apikey"] == [key]


@pytest.mark.parametrize(
    "key",
    ["", "x", ANON.swapcase(), ANON[:-1], ANON + "x", ANON.replace(".", "x"), f"x{ANON}", f"{ANON}, {SERVICE}", "sb_secret_x"],
)
def test_other_keys_do_not(gateway: Gateway, key: str) -> None:
    """The match is exact to the letter; what is wrong is said, the key is not repeated."""
    answer = gateway.ask("/rest/v1/todos", apikey=key)
    assert (answer.status, answer.message) == (401, "Invalid API key" if key else "No API key found in request")
    assert gateway.ask(f"/rest/v1/todos?apikey={key.replace(' ', '+')}").status == 401


def test_a_wrong_key_in_the_header_is_not_helped_by_the_query(gateway: Gateway) -> None:
    """The header is the one that counts."""
    assert gateway.ask(f"/rest/v1/todos?apikey={ANON}", apikey="wrong").status == 401
    assert gateway.ask(f"/pg/query?apikey={SERVICE}", apikey=ANON).status == 403


def test_a_login_is_no_key(gateway: Gateway) -> None:
    """As at the official one."""
    assert gateway.ask("/rest/v1/todos", Authorization=f"Bearer {SERVICE}").status == 401


@pytest.mark.parametrize("second", [ANON, SERVICE, "wrong"])
def test_two_keys_in_two_headers(gateway: Gateway, second: str) -> None:
    """Never the second one: nginx takes the first (up to 1.22) or both as one, which no list has."""
    request = f"GET /pg/query HTTP/1.1\r\nHost: x\r\napikey: {ANON}\r\napikey: {second}\r\n\r\n"
    assert gateway.raw(request.encode()).status in (401, 403)


@pytest.mark.parametrize(
    ("query", "passed"),
    [
        ("apikey={}", ""),
        ("apikey={}&a=1", "?a=1"),
        ("a=1&apikey={}", "?a=1"),
        ("a=1&apikey={}&b=2", "?a=1&b=2"),
        ("a=1&APIKEY={}&b=2", "?a=1&b=2"),
        ("a=1&xapikey=2&apikey={}", "?a=1&xapikey=2"),
        ("a=eq.apikey=1&apikey={}", "?a=eq.apikey=1"),
        ("a=%2F%26&apikey={}&b=%3D+x", "?a=%2F%26&b=%3D+x"),
    ],
)
@pytest.mark.parametrize(("place", "behind"), [("rest", ""), ("auth", ""), ("storage", ""), ("realtime", "/socket")])
def test_the_key_is_taken_out_of_the_query(gateway: Gateway, place: str, behind: str, query: str, passed: str) -> None:
    """PostgREST would look for a column called apikey; no service may write it into its log."""
    answer = gateway.ask(f"/{place}/v1/x?" + query.format(ANON))
    assert (answer.status, answer.json["path"]) == (200, f"{behind}/x{passed}")
    assert answer.seen["apikey"] == [ANON]


def test_two_keys_in_the_query(gateway: Gateway) -> None:
    """None of them reaches a service."""
    for place in ("rest", "auth", "storage"):
        answer = gateway.ask(f"/{place}/v1/x?apikey={ANON}&a=1&apikey={SERVICE}")
        assert (answer.status, answer.message) == (400, "apikey is given more than once")


@pytest.mark.parametrize(
    "path", ["/rest/v1/x", "/auth/v1/x", "/auth/v1/verify", "/storage/v1/x", "/realtime/v1/api/x", "/graphql/v1"]
)
@pytest.mark.parametrize(
    ("login", "passed"),
    [
        (None, f"Bearer {ANON}"),
        ("", f"Bearer {ANON}"),
        (USER, USER),
        ("bearer a.user.token", "bearer a.user.token"),
        (f"Bearer {ANON}", f"Bearer {ANON}"),
        # No login but a key of the new form, or the password a browser keeps for Studio
        ("Bearer sb_publishable_x", f"Bearer {ANON}"),
        (BASIC, f"Bearer {ANON}"),
        (S3, S3),
    ],
)
def test_without_a_login_the_key_speaks(gateway: Gateway, path: str, login: str | None, passed: str) -> None:
    """A user's token and an S3 signature are passed untouched."""
    headers = {} if login is None else {"Authorization": login}
    assert gateway.ask(path, apikey=ANON, **headers).seen["authorization"] == [passed]


@pytest.mark.parametrize("headers", [{}, {"apikey": "unknown"}, {"apikey": ""}, {"Authorization": ""}])
@pytest.mark.parametrize("path", ["/storage/v1/x", "/storage/v1/s3/b/k?X-Amz-Signature=x", "/auth/v1/verify"])
def test_without_either_there_is_no_login(gateway: Gateway, path: str, headers: dict[str, str]) -> None:
    """An empty Authorization would break a presigned URL."""
    assert "authorization" not in gateway.ask(path, **headers).seen


@pytest.mark.parametrize("login", [USER, S3, BASIC, "Bearer sb_x"])
def test_a_login_without_a_key(gateway: Gateway, login: str) -> None:
    """Storage judges it by itself."""
    assert gateway.ask("/storage/v1/x", Authorization=login).seen["authorization"] == [login]


def test_realtime_gets_the_key_itself(gateway: Gateway) -> None:
    """In a header of its own; nobody is logged in by it."""
    for answer in (gateway.ask("/realtime/v1/websocket", apikey=ANON), gateway.ask(f"/realtime/v1/websocket?apikey={ANON}")):
        assert answer.seen["x-api-key"] == [ANON]
        assert "authorization" not in answer.seen
        assert answer.seen["host"] == ["prod.supabase-realtime"]
    answer = gateway.ask("/realtime/v1/websocket", apikey=ANON, Authorization=USER, X_Api_Key=SERVICE)
    assert (answer.seen["x-api-key"], answer.seen["authorization"]) == ([ANON], [USER])
    assert gateway.ask("/realtime/v1/api/broadcast", apikey=ANON).seen["host"] == ["prod.supabase-realtime"]


def test_graphql_is_a_function_of_another_schema(gateway: Gateway) -> None:
    """Whatever schema a client names; elsewhere the client's choice counts."""
    answer = gateway.ask("/graphql/v1", "POST", "{}", apikey=ANON, Content_Profile="private")
    assert answer.seen["content-profile"] == ["graphql_public"]
    assert gateway.ask("/rest/v1/x", "POST", "{}", apikey=ANON, Content_Profile="other").seen["content-profile"] == ["other"]
