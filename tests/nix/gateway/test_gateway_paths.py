"""Paths that say one thing to the gateway and would say another behind it."""

import re
from urllib.parse import unquote

import pytest

from tests.nix.gateway.client import Answer
from tests.nix.gateway.keys import ANON, PASSWORD, SERVICE, login
from tests.nix.gateway.running import Gateway

#: Ways to write <before>/<guarded>
SPELLINGS = [
    "/{0}",
    "//{0}",
    "///{0}",
    "/./{0}",
    "/x/../{0}",
    "/x/y/../../{0}",
    "/x/%2e%2e/{0}",
    "/x/.%2E/{0}",
    "/%2e/{0}",
    "/../{0}",
    "/..;/{0}",
    "/;/{0}",
    "/;x=1/{0}",
    "/%3b/{0}",
    "/\\{0}",
    "/x/..\\{0}",
    "/%5c{0}",
    "/%2f{0}",
    "/%252f{0}",
    "/rest/v1/../../{0}",
    "/rest/v1/rpc/x/../../../../{0}",
    "/auth/v1/verify/../../../{0}",
    "/storage/v1/../../{0}",
    "/storage/v1/object/public/../../../../{0}",
    "/storage/v1/object/public/%2e%2e/%2e%2e/%2e%2e/%2e%2e/{0}",
    "/realtime/v1/websocket/../../../{0}",
    "/graphql/v1/../../{0}",
    "/.well-known/oauth-authorization-server/../../{0}",
    "http://other.example/{0}",
    "http://other.example//{0}",
    "/?/../{0}",
    "/#/../{0}",
]
#: Ways to write the first part of a path
PARTS = [
    "{0};",
    "{0};x=1",
    "{0}%20",
    "{0}%00",
    "{0}%09",
    "{0}%23",
    "{0}%3f",
    "{0}.",
    "{0}%2e",
    "{0}/.",
    "{0}//",
    "{0}/x/..",
    "{0}\\",
]


def spelled(first: str, rest: str) -> list[str]:
    """A path `/first/rest` in many spellings."""
    written = [first, first.upper(), f"%{ord(first[0]):x}{first[1:]}", f"%25{ord(first[0]):x}{first[1:]}"]
    return [spelling.format(f"{part}/{rest}") for part in written for spelling in SPELLINGS] + [
        f"/{part.format(first)}/{rest}" for part in PARTS
    ]


def sent(gateway: Gateway, path: str, **headers: str) -> Answer:
    """The path to the letter."""
    lines = [f"GET {path} HTTP/1.1", "Host: supabase.example.org", *(f"{name}: {value}" for name, value in headers.items())]
    return gateway.raw("\r\n".join([*lines, "\r\n"]).encode("latin-1"))


def reached(answer: Answer) -> tuple[str, str]:
    """Service and path that got the request; nothing of both if none did."""
    if answer.status != 200:
        assert answer.message
        return "", ""
    return answer.json["service"], answer.json["path"]


CREDENTIALS = [{}, {"apikey": ANON}, {"apikey": ANON, "Authorization": f"Bearer {SERVICE}"}, {"Authorization": login(PASSWORD)}]


@pytest.mark.parametrize("headers", CREDENTIALS, ids=["nothing", "anon", "anon and a token", "Studio's password"])
def test_meta_is_reached_with_the_service_key_only(gateway: Gateway, headers: dict[str, str]) -> None:
    """However its path is spelled."""
    for path in [*spelled("pg", "query"), *spelled("pg", "")]:
        service, _ = reached(sent(gateway, path, **headers))
        assert service != "meta", path


@pytest.mark.parametrize("headers", CREDENTIALS, ids=["nothing", "anon", "anon and a token", "Studio's password"])
def test_the_schema_is_reached_with_the_service_key_only(gateway: Gateway, headers: dict[str, str]) -> None:
    """However its path is spelled: PostgREST's root has no other name."""
    for path in [*spelled("rest", "v1/"), *(path.replace("rest/", "rest/v1/") for path in spelled("rest", "")), "/graphql/v1/.."]:
        service, behind = reached(sent(gateway, path, **headers))
        assert service != "rest" or behind.partition("?")[0] not in ("", "/"), path


@pytest.mark.parametrize("headers", [*CREDENTIALS, {"apikey": SERVICE}])
def test_what_nobody_reaches(gateway: Gateway, headers: dict[str, str]) -> None:
    """Realtime's tenants and Studio's tools, in whatever spelling."""
    for path in [*spelled("realtime", "v1/api/tenants"), *(f"/realtime/v1{path}" for path in spelled("api", "tenants/x"))]:
        service, behind = reached(sent(gateway, path, **headers))
        assert service != "realtime" or not behind.startswith("/api/tenants"), path
    for path in [*spelled("api", "mcp"), *spelled("mcp", "")]:
        service, behind = reached(sent(gateway, path, **headers))
        assert service != "studio" or not re.match("/+(api/+)?mcp", unquote(behind), re.IGNORECASE), path


def test_the_spellings_do_reach_with_the_service_key(gateway: Gateway) -> None:
    """The cases above are about something: many of these spellings are the path itself."""
    answers = [reached(sent(gateway, path, apikey=SERVICE)) for path in spelled("pg", "query")]
    assert answers.count(("meta", "/query")) > 40


@pytest.mark.parametrize(
    "path", ["/rest/v1/a%2Fb", "/rest/v1/a%2fb", "/rest%2Fv1/x", "/rest/v1/a%5Cb", "/rest/v1/a\\b", "/storage/v1/a%2Fb"]
)
def test_escaped_slashes_are_refused(gateway: Gateway, path: str) -> None:
    """The gateway and the service would read two paths. In the query they are nobody's path."""
    answer = gateway.ask(path, apikey=ANON)
    assert (answer.status, answer.message) == (400, "Escaped slashes are refused")
    assert gateway.ask("/rest/v1/x?a=%2F%5C\\", apikey=ANON).json["path"] == "/x?a=%2F%5C\\"


@pytest.mark.parametrize(
    "path",
    ["//storage/v1/x", "/%73torage/v1/x", "/storage/v1/./x", "/storage/v1/a/../x", "/storage/v1/%2E%2e/v1/x", "/storage/v1/x/.."],
)
def test_storage_gets_no_path_that_means_another(gateway: Gateway, path: str) -> None:
    """Its path is passed as it was sent, so these are not passed at all."""
    answer = gateway.ask(path, apikey=SERVICE)
    assert (answer.status, answer.message) == (404, "no Route matched with those values")


@pytest.mark.parametrize(
    "path",
    [
        "/s3/b/a%2Bb",
        "/s3/b/a+b",
        "/s3/b/a%20b%28c%29",
        "/s3/b/a(b)*'!",
        "/s3/b/%C3%B6%3D%40%2C%3A%3b%25",
        "/s3/b/~%7E",
        "/s3/b/k?uploads",
        "/s3/b/k?partNumber=1&uploadId=a%2Fb%2B",
        "/s3/b/k?X-Amz-Credential=id%2F20261125%2Flocal%2Fs3%2Faws4_request&X-Amz-Signature=ab&x-id=GetObject",
        "/object/info/b/..x/.../x",
        "/object/list?path=/../x",
    ],
)
def test_storage_paths_are_unharmed(gateway: Gateway, path: str) -> None:
    """S3 clients sign method, path, query, Host and headers of theirs."""
    signed = {"X-Amz-Date": "20261125T000000Z", "X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD", "Authorization": "AWS4-HMAC-SHA256 x"}
    answer = gateway.ask(f"/storage/v1{path}", "PUT", "x", Host="Supabase.example.org:8443", **signed)
    assert (answer.json["service"], answer.json["method"], answer.json["path"]) == ("storage", "PUT", path)
    assert {name: answer.seen[name.lower()] for name in signed} == {name: [value] for name, value in signed.items()}
    assert answer.seen["host"] == ["Supabase.example.org:8443"]
    assert answer.seen["x-forwarded-prefix"] == ["/storage/v1"]
