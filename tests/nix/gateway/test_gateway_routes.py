"""The route table: which service gets a request, under which path, with which key. Each row of upstream's is a case here."""

import pytest

from tests.nix.gateway.keys import ANON, PASSWORD, SERVICE, login
from tests.nix.gateway.running import Gateway

NOT_FOUND = (404, "no Route matched with those values")

#: path, service that gets it, path it gets, prefix it is told
OPEN = [
    ("/auth/v1/verify?token=x&type=signup", "auth", "/verify?token=x&type=signup", "/auth/v1"),
    ("/auth/v1/callback?code=x&state=y", "auth", "/callback?code=x&state=y", "/auth/v1"),
    ("/auth/v1/authorize?provider=github", "auth", "/authorize?provider=github", "/auth/v1"),
    ("/auth/v1/.well-known/jwks.json", "auth", "/.well-known/jwks.json", "/auth/v1"),
    ("/auth/v1/sso/saml/acs", "auth", "/sso/saml/acs", "/auth/v1"),
    ("/auth/v1/sso/saml/metadata", "auth", "/sso/saml/metadata", "/auth/v1"),
    ("/.well-known/oauth-authorization-server", "auth", "/.well-known/oauth-authorization-server", "/auth/v1"),
    ("/.well-known/oauth-authorization-server/auth/v1", "auth", "/.well-known/oauth-authorization-server", "/auth/v1"),
    ("/storage/v1/object/public/b/x.png", "storage", "/object/public/b/x.png", "/storage/v1"),
    ("/storage/v1/object/sign/b/x?token=y", "storage", "/object/sign/b/x?token=y", "/storage/v1"),
    ("/storage/v1/", "storage", "/", "/storage/v1"),
]
KEYED = [
    ("/auth/v1/token?grant_type=password", "auth", "/token?grant_type=password", "/auth/v1"),
    ("/auth/v1/health", "auth", "/health", "/auth/v1"),
    ("/auth/v1/verify/x", "auth", "/verify/x", "/auth/v1"),
    ("/auth/v1/", "auth", "/", "/auth/v1"),
    ("/rest/v1/todos?select=*", "rest", "/todos?select=*", "/rest/v1"),
    ("/rest/v1/rpc/f", "rest", "/rpc/f", "/rest/v1"),
    ("/graphql/v1", "rest", "/rpc/graphql", "/graphql/v1"),
    ("/realtime/v1/api/broadcast", "realtime", "/api/broadcast", "/realtime/v1/api"),
    ("/realtime/v1/websocket?vsn=1.0.0", "realtime", "/socket/websocket?vsn=1.0.0", "/realtime/v1"),
    ("/realtime/v1/longpoll", "realtime", "/socket/longpoll", "/realtime/v1"),
]
SERVICE_ONLY = [
    ("/rest/v1/", "rest", "/", "/rest/v1"),
    ("/rest/v1/?select=x", "rest", "/?select=x", "/rest/v1"),
    ("/pg/health", "meta", "/health", "/pg"),
    ("/pg/query", "meta", "/query", "/pg"),
    ("/pg/", "meta", "/", "/pg"),
    ("/realtime/v1/health", "realtime", "/api/tenants/prod/health", ""),
    ("/realtime/v1/healthcheck", "realtime", "/healthcheck", ""),
]
FORBIDDEN = [
    ("/realtime/v1/api/tenants", "Tenants are managed by the host"),
    ("/realtime/v1/api/tenants/prod", "Tenants are managed by the host"),
    ("/realtime/v1/api/tenants/prod/health", "Tenants are managed by the host"),
    ("/realtime/v1/api/openapi", "The management API is not served"),
    ("/mcp", "MCP is not served"),
    ("/mcp/x", "MCP is not served"),
    ("/api/mcp", "MCP is not served"),
    ("/api/mcp?x=1", "MCP is not served"),
]
NOT_SERVED = [
    *((path, *NOT_FOUND) for path in ("/auth/v1", "/rest/v1", "/graphql/v1/x", "/realtime/v1", "/realtime/v1/api", "/pg")),
    *((path, *NOT_FOUND) for path in ("/storage/v1", "/.well-known/x")),
    ("/functions/v1/hello", 404, "Edge functions are not served"),
    ("/functions/v1", 404, "Edge functions are not served"),
]


@pytest.mark.parametrize(("path", "service", "passed", "prefix"), OPEN)
def test_open(gateway: Gateway, path: str, service: str, passed: str, prefix: str) -> None:
    """No key is asked for, and none is made up."""
    answer = gateway.ask(path)
    assert (answer.status, answer.json["service"], answer.json["path"]) == (200, service, passed)
    assert answer.seen["x-forwarded-prefix"] == [prefix]
    assert not {"authorization", "apikey", "x-api-key"} & answer.seen.keys()


@pytest.mark.parametrize(("path", "service", "passed", "prefix"), KEYED)
def test_keyed(gateway: Gateway, path: str, service: str, passed: str, prefix: str) -> None:
    """Any key will do."""
    refused = gateway.ask(path)
    assert (refused.status, refused.message) == (401, "No API key found in request")
    for key in (ANON, SERVICE):
        answer = gateway.ask(path, apikey=key)
        assert (answer.status, answer.json["service"], answer.json["path"]) == (200, service, passed)
        assert answer.seen["x-forwarded-prefix"] == [prefix]


@pytest.mark.parametrize(("path", "service", "passed", "prefix"), SERVICE_ONLY)
def test_service_only(gateway: Gateway, path: str, service: str, passed: str, prefix: str) -> None:
    """Only the service key will do, wherever it stands."""
    refused = gateway.ask(path)
    assert (refused.status, refused.message) == (401, "No API key found in request")
    refused = gateway.ask(path, apikey=ANON)
    assert refused.status == 403
    assert refused.message.endswith("needs the service_role key")
    # A token that names the role is no key
    assert gateway.ask(path, apikey=ANON, Authorization=f"Bearer {SERVICE}").status == 403
    answer = gateway.ask(path, apikey=SERVICE)
    assert (answer.status, answer.json["service"], answer.json["path"]) == (200, service, passed)
    assert answer.seen.get("x-forwarded-prefix", [""]) == [prefix]
    assert answer.seen["authorization"] == [f"Bearer {SERVICE}"]


@pytest.mark.parametrize(("path", "message"), FORBIDDEN)
def test_forbidden(gateway: Gateway, path: str, message: str) -> None:
    """To everybody."""
    for headers in ({}, {"apikey": SERVICE}, {"Authorization": login(PASSWORD)}):
        answer = gateway.ask(path, **headers)
        assert (answer.status, answer.message) == (403, message)


@pytest.mark.parametrize(("path", "status", "message"), NOT_SERVED)
def test_not_served(gateway: Gateway, path: str, status: int, message: str) -> None:
    """A client of the API is told so in JSON: it is not asked for Studio's password."""
    answer = gateway.ask(path, apikey=SERVICE)
    assert (answer.status, answer.message) == (status, message)


def _without_query(path: str) -> str:
    return path.partition("?")[0]


@pytest.mark.parametrize("path", sorted({_without_query(row[0]) for row in OPEN + KEYED + SERVICE_ONLY}))
def test_a_service_that_is_off(api: Gateway, desk: Gateway, path: str) -> None:
    """Nobody answers for it: not Studio, where it is on, nor another service."""
    if not path.startswith(("/rest/", "/graphql/")):
        answer = api.ask(path, apikey=SERVICE)
        assert (answer.status, answer.message) == NOT_FOUND
    if not path.startswith("/pg/"):
        answer = desk.ask(path, apikey=SERVICE)
        assert (answer.status, answer.message) == NOT_FOUND


def test_what_is_on_beside_it(api: Gateway, desk: Gateway) -> None:
    """The instances of the cases above do serve what they serve."""
    assert api.ask("/rest/v1/todos", apikey=ANON).json["service"] == "rest"
    assert desk.ask("/pg/query", apikey=SERVICE).json["service"] == "meta"
    assert desk.ask("/x", Authorization=login(PASSWORD)).json["service"] == "studio"
