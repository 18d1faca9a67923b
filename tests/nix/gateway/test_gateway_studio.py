"""Studio, which has no login of its own: everything that is not the API, behind a password."""

import socket

import pytest

from tests.nix.gateway.keys import ANON, PASSWORD, SERVICE, login
from tests.nix.gateway.running import Gateway

NOT_FOUND = (404, "no Route matched with those values")
STUDIO = ["/", "/project/default", "/api/platform/profile?x=1", "/_next/a%20b.js", "/favicon.ico", "/PG/query", "/pg;/query"]


@pytest.mark.parametrize("path", STUDIO)
def test_studio(gateway: Gateway, path: str) -> None:
    """Everything else is Studio's, behind its password, which Studio does not see."""
    for refused in (
        gateway.ask(path),
        gateway.ask(path, apikey=SERVICE),
        gateway.ask(path, Authorization=f"Bearer {SERVICE}"),
        gateway.ask(path, Authorization=login(PASSWORD + "x")),
        gateway.ask(path, Authorization=login(PASSWORD.upper())),
        gateway.ask(path, Authorization=login("")),
    ):
        assert (refused.status, refused.message) == (401, "Unauthorized")
        assert refused.header("WWW-Authenticate") == ['Basic realm="Supabase prod"']
    answer = gateway.ask(path, Authorization=login(PASSWORD))
    assert (answer.status, answer.json["service"], answer.json["path"]) == (200, "studio", path)
    assert "authorization" not in answer.seen


@pytest.mark.parametrize(
    ("origin", "host", "status"),
    [
        ("https://supabase.example.org", "supabase.example.org", 200),
        ("https://supabase.example.org", "127.0.0.1:8000", 200),
        ("http://localhost:8000", "localhost:8000", 200),
        ("https://evil.example", "supabase.example.org", 403),
        ("https://supabase.example.org.evil.example", "supabase.example.org", 403),
        ("https://supabaseXexample.org", "supabase.example.org", 403),
        ("http://localhost:8001", "localhost:8000", 403),
        ("https://evil.example/supabase.example.org", "supabase.example.org", 403),
        ("null", "supabase.example.org", 403),
    ],
)
def test_another_sites_page_cannot_use_studio(gateway: Gateway, origin: str, host: str, status: int) -> None:
    """A browser that knows the password adds it to what any page sends."""
    answer = gateway.ask("/api/x", "POST", "{}", Authorization=login(PASSWORD), Origin=origin, Host=host)
    assert answer.status == status


def test_a_new_password(gateway: Gateway) -> None:
    """It replaces the old one."""
    gateway.secret("dashboard", "another: with a colon")
    try:
        gateway.reload()
        assert gateway.ask("/", Authorization=login("another: with a colon")).status == 200
        assert gateway.ask("/", Authorization=login(PASSWORD)).status == 401
    finally:
        gateway.secret("dashboard", PASSWORD)
        gateway.reload()
    assert gateway.ask("/", Authorization=login(PASSWORD)).status == 200


@pytest.mark.parametrize("path", ["/", "/project/default", "/mcp", "/api/mcp"])
def test_without_studio(api: Gateway, path: str) -> None:
    """Nothing is at the root."""
    answer = api.ask(path, apikey=SERVICE, Authorization=login(PASSWORD))
    assert (answer.status, answer.message) == NOT_FOUND


def test_the_inner_listener(gateway: Gateway) -> None:
    """For Studio: the same API, the same keys, but not Studio itself."""

    def inside(path: str, **headers: str) -> tuple[int, str]:
        answer = gateway.ask_inside(path, **headers)
        return answer.status, answer.json.get("service") or answer.message

    assert inside("/rest/v1/todos", apikey=SERVICE) == (200, "rest")
    assert inside("/rest/v1/todos") == (401, "No API key found in request")
    assert inside("/pg/query", apikey=ANON) == (403, "postgres-meta needs the service_role key")
    assert inside("/storage/v1/bucket", apikey=SERVICE) == (200, "storage")
    assert inside("/auth/v1/admin/users", apikey=SERVICE) == (200, "auth")
    for path in ("/", "/api/platform/profile"):
        assert inside(path, Authorization=login(PASSWORD)) == NOT_FOUND


def test_only_the_public_socket_is_outside(gateway: Gateway) -> None:
    """nginx listens within the namespace; the other way in is the socket it was given."""
    with pytest.raises(ConnectionRefusedError):
        gateway.connect_inside(gateway.port)
    with socket.socket() as other:
        other.settimeout(1)
        assert other.connect_ex(("127.0.0.1", gateway.inner)) != 0
