"""What is written down."""

import os

from tests.nix.gateway.keys import ANON, OLD, PASSWORD, SERVICE, login
from tests.nix.gateway.running import Gateway
from tests.nix.gateway.websocket import WebSocket


def test_no_key_is_logged(gateway: Gateway) -> None:
    """Neither in the journal nor on stderr, whatever goes wrong; requests are there without their query."""
    gateway.log()  # The socket holds ten lines only.
    gateway.ask(f"/rest/v1/planted?apikey={SERVICE}&a=filter-of-a-user")
    gateway.ask("/storage/v1/object/sign/b/planted?token=signed-by-storage")
    gateway.ask("/auth/v1/verify?token=of-a-mail")
    WebSocket(gateway.connect(), f"/realtime/v1/websocket?apikey={ANON}").close()
    gateway.log()
    gateway.ask(f"/rest/v1/a%2Fb?apikey={SERVICE}", "POST", "x", Content_Length="900000000")
    for path in (f"/rest/v1/todos?apikey={SERVICE}", f"/x?apikey={SERVICE}", f"/rest/v1/?apikey={ANON}"):
        gateway.ask(path, Referer=f"http://app.example/?apikey={SERVICE}", Authorization=login(PASSWORD))
    gateway.log()
    for broken in (f"GET /rest/v1/x?apikey={SERVICE} HTTP/1.1\r\nbad header\r\n\r\n", f"GET /x y?apikey={SERVICE}\r\n\r\n"):
        gateway.raw(broken.encode())
    place = gateway.directory / "run/supabase/prod/rest/rest.sock"
    place.rename(place.with_suffix(".away"))
    gateway.ask(f"/rest/v1/down?apikey={SERVICE}")
    place.with_suffix(".away").rename(place)
    log = "\n".join(gateway.log())
    for line in ("/rest/v1/planted 200", "/auth/v1/verify 200", "/realtime/v1/websocket 101", "/rest/v1/down 503"):
        assert f"supabase_prod: GET {line}" in log
    written = log + (gateway.directory / "stderr").read_text()
    for secret in (SERVICE, ANON, OLD, PASSWORD, login(PASSWORD), "filter-of-a-user", "apikey", "signed-by-storage", "of-a-mail"):
        assert secret not in written


def test_nothing_is_written_outside_the_runtime_directory(gateway: Gateway) -> None:
    """nginx opens no file below /var; what it reads of secrets is its own alone, and the password is not in it."""
    opened = {os.readlink(f"/proc/{gateway.nginx.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{gateway.nginx.pid}/fd")}
    assert not [path for path in opened if path.startswith("/var")]
    files = {path.name: path.stat().st_mode & 0o777 for path in gateway.run.iterdir() if path.is_file()}
    assert files.keys() == {"keys.conf", "htpasswd", "nginx.pid"}
    assert files["keys.conf"] == files["htpasswd"] == 0o400
    assert PASSWORD not in (gateway.run / "htpasswd").read_text()
