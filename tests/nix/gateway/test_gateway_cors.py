"""What a browser is told about requests of other sites' pages."""

import pytest

from tests.nix.gateway.keys import ANON, SERVICE
from tests.nix.gateway.running import Gateway

APP = "https://app.example"
OWN = "https://supabase.example.org"


@pytest.mark.parametrize(
    "path",
    ["/rest/v1/x", "/auth/v1/token", "/graphql/v1", "/storage/v1/object/b/x", "/realtime/v1/api/broadcast", "/functions/v1/f"],
)
def test_a_preflight_needs_no_key(gateway: Gateway, path: str) -> None:
    """A browser sends none; authorization is named, for `*` does not stand for it."""
    asked = {"Access_Control_Request_Method": "PATCH", "Access_Control_Request_Headers": "apikey,authorization,x-upsert"}
    answer = gateway.ask(path, "OPTIONS", Origin=APP, **asked)
    assert (answer.status, answer.body) == (204, "")
    assert answer.header("Access-Control-Allow-Origin") == ["*"]
    assert answer.header("Access-Control-Allow-Methods") == ["GET, POST, PUT, PATCH, DELETE, OPTIONS, HEAD"]
    assert answer.header("Access-Control-Allow-Headers") == ["*, authorization"]
    assert answer.header("Access-Control-Max-Age") == ["3600"]
    assert answer.header("Access-Control-Allow-Credentials") == []


def test_without_the_question_it_is_no_preflight(gateway: Gateway) -> None:
    """TUS clients ask storage for its options; the others want their key."""
    assert gateway.ask("/rest/v1/x", "OPTIONS").status == 401
    assert gateway.ask("/storage/v1/upload/resumable", "OPTIONS").json["method"] == "OPTIONS"


@pytest.mark.parametrize(
    ("path", "status"),
    [("/rest/v1/x", 200), ("/storage/v1/x", 200), ("/rest/v1/a%2Fb", 400), ("/functions/v1/f", 404), ("/rest/v1/", 403)],
)
def test_headers_stand_once(gateway: Gateway, path: str, status: int) -> None:
    """On answers of a service, whose own are replaced, and on refusals, which scripts must be able to read."""
    for headers in ({"apikey": ANON}, {}):
        answer = gateway.ask(path, Origin=APP, **headers)
        assert answer.status in (status, 401)
        assert answer.header("Access-Control-Allow-Origin") == ["*"]
        assert answer.header("Access-Control-Expose-Headers") == ["*"]
        for only_asked in ("Methods", "Headers", "Credentials"):
            assert answer.header(f"Access-Control-Allow-{only_asked}") == []
        assert answer.header("Access-Control-Max-Age") == []
        assert answer.header("Server") == ["nginx"]


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (OWN, [OWN]),
        (APP, []),
        ("null", []),
        (OWN + ".evil.example", []),
        (OWN.replace(".", "x"), []),
        (OWN + ":8443", []),
        (None, []),
    ],
)
@pytest.mark.parametrize("path", ["/pg/query", "//pg//query", "/x/../pg/query", "/%70g/query"])
def test_sql_is_for_the_instances_own_pages(gateway: Gateway, path: str, origin: str | None, allowed: list[str]) -> None:
    """In the preflight, in answers and in refusals."""
    headers = {} if origin is None else {"Origin": origin}
    preflight = gateway.ask(path, "OPTIONS", Access_Control_Request_Method="POST", **headers)
    assert (preflight.status, preflight.header("Access-Control-Allow-Origin")) == (204, allowed)
    for key, status in ((SERVICE, 200), (ANON, 403), ("x", 401)):
        answer = gateway.ask(path, "POST", "{}", apikey=key, **headers)
        assert (answer.status, answer.header("Access-Control-Allow-Origin")) == (status, allowed)
