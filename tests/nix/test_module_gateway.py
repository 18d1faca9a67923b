"""The gateway: a real nginx with the rendered configuration and the key list its composer makes."""

import http.client
import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nix.evaluation import Lab, available, instance, needs
from tests.nix.gateway import Gateway, free_port
from tests.nix.upstream import upstream

ANON = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbiJ9.anon-Signature_1"
SERVICE = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.service-Signature_1"
OLD = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbiJ9.anon-Signature_0"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The gateway of instance prod, with /run and /dev/log moved below a directory."""
    needs("nix-instantiate", "nginx")
    # Short: a Unix socket's path has 107 characters
    directory = tmp_path_factory.mktemp("gw")
    lab = Lab(directory / "host")
    lab.host()
    prod = instance("prod", 0, subdomain="supabase", port=free_port(), logLevel="debug")
    prod["secrets"] = [*prod["secrets"], "supabase-prod-anon-previous"]
    lab.put("prod", prod)
    unit = lab.evaluate(available())["system"]["units"]["supabase-prod.service"]
    start, compose = (
        next(line.partition("=")[2].lstrip("+") for line in unit.splitlines() if line.startswith(key))
        for key in ("ExecStart=", "ExecStartPre=+")
    )

    def moved(path: str) -> str:
        text = Path(path).read_text().replace("/dev/log", f"{directory}/log")
        text = re.sub("(?<=[ :'])/run/", f"{directory}/run/", text)
        text = text.replace("supabase-prod:supabase-prod", f"{os.getuid()}:{os.getgid()}")
        copy = directory / Path(path).name
        copy.write_text(text)
        return str(copy)

    for path in ("run/agenix", "run/supabase/prod/gateway", "run/supabase/prod/rest"):
        (directory / path).mkdir(parents=True)
    for secret, value in {"anon": ANON, "anon-previous": OLD, "service": SERVICE}.items():
        (directory / f"run/agenix/supabase-prod-{secret}").write_text(value + "\n")
    journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    journal.bind(str(directory / "log"))
    journal.setblocking(False)

    words = start.replace(" /run/", f" {directory}/run/").split()
    words[-1] = moved(words[-1])
    if os.getuid() == 0:
        # Started by root nginx would change to nobody; the unit starts it as its own user.
        words += ["-g", "user root;"]
    composer = ["/bin/bash", moved(compose)]
    subprocess.run(composer, check=True)
    checked = subprocess.run([*words, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "warn" not in checked.stderr
    with (directory / "stderr").open("wb") as stderr:
        nginx = subprocess.Popen(words, stderr=stderr)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", prod["port"])) == 0:
                    break
            time.sleep(0.02)
        yield Gateway(directory, prod["port"], composer, nginx, journal)
    finally:
        nginx.terminate()
        nginx.wait(5)
        journal.close()


@pytest.fixture
def rest(gateway: Gateway) -> Iterator[Gateway]:
    """The gateway with a service behind it."""
    with upstream(gateway.socket):
        yield gateway


@pytest.mark.parametrize("key", [ANON, OLD, SERVICE], ids=["anon", "anon-previous", "service"])
def test_a_key_of_the_list_passes(rest: Gateway, key: str) -> None:
    """In the header or in the query; it then speaks for the request."""
    for answer in (rest.ask("/rest/v1/todos?select=*", apikey=key), rest.ask(f"/rest/v1/todos?apikey={key}&select=*")):
        assert answer.status == 200
        assert answer.json["path"] == "/todos?select=*"
        assert answer.seen["authorization"] == [f"Bearer {key}"]
        assert answer.seen["apikey"] == [key]


@pytest.mark.parametrize("key", ["", "x", ANON.swapcase(), ANON[:-1], ANON + "x", ANON.replace(".", "x"), f"x{ANON}"])
def test_other_keys_do_not(rest: Gateway, key: str) -> None:
    """The match is exact to the letter; what is wrong is said, the key is not repeated."""
    answer = rest.ask("/rest/v1/todos", apikey=key)
    assert answer.status == 401
    assert answer.header("Content-Type") == ["application/json"]
    assert answer.json == {"message": "Invalid API key" if key else "No API key found in request"}
    assert rest.ask(f"/rest/v1/todos?apikey={key}").status == 401


def test_a_wrong_key_in_the_header_is_not_helped_by_the_query(rest: Gateway) -> None:
    """The header is the one that counts."""
    assert rest.ask(f"/rest/v1/todos?apikey={ANON}", apikey="wrong").status == 401


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
def test_the_key_is_taken_out_of_the_query(rest: Gateway, query: str, passed: str) -> None:
    """PostgREST would look for a column called apikey."""
    answer = rest.ask("/rest/v1/todos?" + query.format(ANON))
    assert (answer.status, answer.json["path"]) == (200, "/todos" + passed)


def test_two_keys_in_the_query(rest: Gateway) -> None:
    """None of them reaches PostgREST."""
    answer = rest.ask(f"/rest/v1/todos?apikey={ANON}&a=1&apikey={SERVICE}")
    assert (answer.status, answer.json) == (400, {"message": "apikey is given more than once"})


def test_a_users_token_is_passed_untouched(rest: Gateway) -> None:
    """Only a request without a login gets the key's."""
    answer = rest.ask("/rest/v1/todos", apikey=ANON, Authorization="Bearer a.user.token")
    assert answer.seen["authorization"] == ["Bearer a.user.token"]


@pytest.mark.parametrize(
    "path",
    ["/rest/v1/", "/rest/v1/?select=x", "/rest/v1//", "/rest/v1/.", "/rest/v1/%2e", "/rest/v1/x/..", "//rest/./v1/"],
)
def test_the_schema_is_for_the_service_key(rest: Gateway, path: str) -> None:
    """However its path is spelled."""
    assert rest.ask(path).status == 401
    refused = rest.ask(path, apikey=ANON)
    assert (refused.status, refused.json) == (403, {"message": "Access to the schema needs the service_role key"})
    answer = rest.ask(path, apikey=SERVICE)
    assert (answer.status, answer.json["path"].partition("?")[0]) == (200, "/")


@pytest.mark.parametrize("path", ["/", "/rest/v1", "/rest/v2/todos", "/auth/v1/health", "/storage/v1/", "/pg/", "/rest/v1/../x"])
def test_nothing_else_is_there(rest: Gateway, path: str) -> None:
    """Routes of services not served answer in JSON too."""
    answer = rest.ask(path, apikey=SERVICE)
    assert (answer.status, answer.json) == (404, {"message": "no Route matched with those values"})


@pytest.mark.parametrize("path", ["/rest/v1/a%2Fb", "/rest/v1/a%2fb", "/rest%2Fv1/todos", "/rest/v1/a%5Cb"])
def test_escaped_slashes_are_refused(rest: Gateway, path: str) -> None:
    """The gateway and the service would read two paths."""
    answer = rest.ask(path, apikey=ANON)
    assert (answer.status, answer.json) == (400, {"message": "Escaped slashes are refused"})


def test_a_preflight_needs_no_key(rest: Gateway) -> None:
    """A browser sends none; authorization is named, for `*` does not stand for it."""
    answer = rest.ask(
        "/rest/v1/todos",
        "OPTIONS",
        Origin="https://app.example",
        Access_Control_Request_Method="PATCH",
        Access_Control_Request_Headers="apikey,authorization",
    )
    assert (answer.status, answer.body) == (204, "")
    assert answer.header("Access-Control-Allow-Origin") == ["*"]
    assert "PATCH" in answer.header("Access-Control-Allow-Methods")[0]
    assert answer.header("Access-Control-Allow-Headers") == ["*, authorization"]
    assert answer.header("Access-Control-Max-Age") == ["3600"]
    assert answer.header("Access-Control-Allow-Credentials") == []
    assert rest.ask("/rest/v1/todos", "OPTIONS").status == 401, "without the question it is no preflight"


def test_cors_headers_stand_once(rest: Gateway) -> None:
    """On answers of the service, whose own are replaced, and on refusals, which scripts must be able to read."""
    for answer in (
        rest.ask("/rest/v1/todos", apikey=ANON, Origin="https://app.example"),
        rest.ask("/rest/v1/todos", Origin="https://app.example"),
        rest.ask("/nothing", Origin="https://app.example"),
    ):
        assert answer.header("Access-Control-Allow-Origin") == ["*"]
        assert answer.header("Access-Control-Expose-Headers") == ["*"]
        assert answer.header("Access-Control-Allow-Headers") == []
        assert answer.header("Server") == ["nginx"]


def test_forwarded_headers_are_the_gateways(rest: Gateway) -> None:
    """Auth builds links from them: a client's own never pass. The last address is the one the edge saw."""
    answer = rest.ask(
        "/rest/v1/todos",
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
        "x-forwarded-prefix": ["/rest/v1"],
        "x-forwarded-proto": ["https"],
        "x-real-ip": ["192.0.2.7"],
    }


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_bodies_pass(rest: Gateway, method: str) -> None:
    """With a length and in chunks, larger than the gateway's buffers."""
    text = json.dumps(["x" * 1000] * 200)
    assert rest.ask("/rest/v1/todos", method, text, apikey=ANON).json["body"] == text
    chunks = (part.encode() for part in (text[:500], text[500:]))
    assert rest.ask("/rest/v1/todos", method, chunks, apikey=ANON).json["body"] == text


def test_answers_of_the_service_pass(rest: Gateway) -> None:
    """Its refusals are its own, HEAD has no body, unicode survives."""
    for status in ("404", "409", "503"):
        answer = rest.ask("/rest/v1/todos", apikey=ANON, X_Answer=status)
        assert (answer.status, answer.json["path"]) == (int(status), "/todos")
    assert rest.ask("/rest/v1/todos", "HEAD", apikey=ANON).status == 200
    assert rest.ask("/rest/v1/t%C3%B6dos%20x?n=%C3%B6", apikey=ANON).json["path"] == "/t%C3%B6dos%20x?n=%C3%B6"


def test_too_large(rest: Gateway) -> None:
    """Said before the body is read."""
    answer = rest.ask("/rest/v1/todos", "POST", "", apikey=ANON, Content_Length=str(51 * 1024 * 1024))
    assert (answer.status, answer.json) == (413, {"message": "The request is larger than 50 MB"})


def test_malformed(rest: Gateway) -> None:
    """What is no HTTP gets an answer in JSON all the same."""
    with socket.create_connection(("127.0.0.1", rest.port), 5) as raw:
        raw.sendall(b"GET /rest/v1/x HTTP/1.1\r\n\r\n")
        head, _, body = raw.makefile("rb").read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert json.loads(body) == {"message": "Bad request"}


def test_service_down(gateway: Gateway) -> None:
    """Nobody behind the gateway: 503, also with a socket left behind."""
    expected = (503, {"message": "The service does not answer"})
    answer = gateway.ask("/rest/v1/todos", apikey=ANON)
    assert (answer.status, answer.json) == expected
    assert answer.header("Access-Control-Allow-Origin") == ["*"]
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(gateway.socket))
    answer = gateway.ask("/rest/v1/todos", apikey=ANON)
    assert (answer.status, answer.json) == expected
    gateway.socket.unlink()


def test_a_new_key_list_is_read_without_a_restart(rest: Gateway) -> None:
    """A request under way is answered by the old worker; the next one by the new list."""
    new = ANON.replace("_1", "_2")
    secret = rest.directory / "run/agenix/supabase-prod-anon"
    assert rest.ask("/rest/v1/todos", apikey=new).status == 401
    secret.write_text(new + "\n")
    try:
        kept = http.client.HTTPConnection("127.0.0.1", rest.port, timeout=5)
        kept.putrequest("POST", "/rest/v1/todos")
        kept.putheader("apikey", ANON)
        kept.putheader("Content-Length", "4")
        kept.endheaders(b"ab")
        time.sleep(0.1)
        rest.reload()
        kept.send(b"cd")
        assert json.loads(kept.getresponse().read())["body"] == "abcd"
        assert rest.nginx.poll() is None
        assert rest.ask("/rest/v1/todos", apikey=new).status == 200
        assert rest.ask("/rest/v1/todos", apikey=ANON).status == 401
    finally:
        secret.write_text(ANON + "\n")
        rest.reload()
    assert rest.ask("/rest/v1/todos", apikey=ANON).status == 200


def test_no_key_is_logged(gateway: Gateway) -> None:
    """Neither in the journal nor on stderr, whatever goes wrong; requests are there without their query."""
    gateway.log()  # The socket holds ten lines only.
    with upstream(gateway.socket):
        gateway.ask(f"/rest/v1/planted?apikey={SERVICE}&a=filter-of-a-user")
        gateway.ask(f"/rest/v1/a%2Fb?apikey={SERVICE}", "POST", "x", Content_Length="900000000")
    for path in (f"/rest/v1/todos?apikey={SERVICE}", f"/x?apikey={SERVICE}", f"/rest/v1/?apikey={ANON}"):
        gateway.ask(path, Referer=f"http://app.example/?apikey={SERVICE}")
    with socket.create_connection(("127.0.0.1", gateway.port), 5) as raw:
        raw.sendall(f"GET /rest/v1/x?apikey={SERVICE} HTTP/1.1\r\nbad header\r\n\r\n".encode())
        raw.recv(1000)
    log = "\n".join(gateway.log())
    assert "supabase_prod: GET /rest/v1/planted 200" in log
    written = log + (gateway.directory / "stderr").read_text()
    for secret in (SERVICE, ANON, OLD, "filter-of-a-user", "apikey"):
        assert secret not in written


def test_nothing_is_written_outside_the_runtime_directory(gateway: Gateway) -> None:
    """nginx opens no file below /var."""
    opened = {os.readlink(f"/proc/{gateway.nginx.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{gateway.nginx.pid}/fd")}
    assert not [path for path in opened if path.startswith("/var")]
    run = gateway.directory / "run/supabase/prod/gateway"
    assert {p.name for p in run.iterdir()} == {"keys.conf", "nginx.pid", "body", "proxy", "fastcgi", "scgi", "uwsgi"}
