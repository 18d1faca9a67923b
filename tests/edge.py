"""A host whose instances are served by a real Caddy or nginx, and a client of it from outside."""

import http.client
import json
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.host import Machine
from tests.lab import IMPORT, Lab
from tests.project import ROOT

#: An instance that the run knows nothing of: no gateway is started for it, and a stand-in listens on its port.
STAND_IN = 8050
INSTANCE = """
  constellation.supabase.instances.raw = {
    slot = 50; profile = "api";
    jwtSecret = "/run/raw/jwt"; anonKey = "/run/raw/anon"; serviceKey = "/run/raw/service"; databaseUrl = "/run/raw/db";
  };
"""
#: There is no ACME here: Caddy makes certificates itself, nginx gets one from the host's own configuration.
HOST = """
  services.caddy.globalConfig = "local_certs\\nskip_install_trust";
  services.caddy.package = pkgs.runCommand "caddy-2.11.7" { } "mkdir -p $out/bin; ln -s /opt/caddy $out/bin/caddy";
  services.nginx.virtualHosts = lib.genAttrs
    (map (name: "${name}.example.org") [ "supabase" "supabase-dev" "supabase-raw" "supabase-nginx" "nginx-elsewhere" ])
    (_: { enableACME = false; sslCertificate = "/etc/ssl/edge.crt"; sslCertificateKey = "/etc/ssl/edge.key"; });
"""
CERTIFICATES = {"caddy": "/var/lib/caddy/.local/share/caddy/pki/authorities/local/root.crt", "nginx": "/etc/ssl/edge.crt"}


@dataclass(frozen=True)
class Reply:
    """What a client gets."""

    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    def seen(self, header: str) -> list[str]:
        """The values of a header as the stand-in saw it."""
        return [value for name, value in self.json["headers"] if name.lower() == header.lower()]


@dataclass
class Edge:
    """`kind`: what serves now, caddy or nginx."""

    lab: Lab
    kind: str

    @property
    def machine(self) -> Machine:
        return self.lab.machine

    @property
    def unit(self) -> str:
        return f"{self.kind}.service"

    def prepare(self) -> None:
        """The host's own part, before the first deploy."""
        self.machine.put("/opt/caddy", (Path(sys.executable).parent / "caddy").read_bytes(), "0755")
        self.machine.run(
            "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=edge -addext subjectAltName=DNS:*.example.org"
            " -keyout /etc/ssl/edge.key -out /etc/ssl/edge.crt; chmod 0644 /etc/ssl/edge.key"
        )
        self.configure()

    def configure(self, body: str = "", *imports: str) -> None:
        self.lab.configure(HOST + INSTANCE + body, IMPORT.replace("]", " ".join([*imports, "]"])))

    def trust(self) -> ssl.SSLContext:
        """Trusts what the edge shows, and nothing else."""
        certificate = CERTIFICATES[self.kind]
        wait = f"for i in $(seq 100); do [ -e {certificate} ] && break; sleep 0.1; done; cat {certificate}"
        return ssl.create_default_context(cadata=self.machine.run(wait).stdout)

    def open(self, context: ssl.SSLContext, name: str, timeout: float = 20) -> ssl.SSLSocket:
        """A TLS connection, as to NAME.example.org."""
        plain = socket.create_connection((self.machine.ip, 443), timeout=timeout)
        return context.wrap_socket(plain, server_hostname=f"{name}.example.org")

    def connect(self, context: ssl.SSLContext, name: str) -> http.client.HTTPConnection:
        """HTTP on such a connection."""
        connection = http.client.HTTPConnection(f"{name}.example.org")
        connection.sock = self.open(context, name)
        return connection

    def ask(
        self, context: ssl.SSLContext, path: str, name: str = "supabase", method: str = "GET", body: Any = None, **headers: str
    ) -> Reply:
        """One request; `_` in a header's name stands for a dash."""
        connection = self.connect(context, name)
        try:
            connection.request(method, path, body=body, headers={key.replace("_", "-"): value for key, value in headers.items()})
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read().decode())
        finally:
            connection.close()

    @contextmanager
    def stand_in(self, port: int = STAND_IN) -> Iterator[IO[str]]:
        """tests/echo.py on a loopback port of the machine; gives its output."""
        inside = ["ip", "netns", "exec", f"sth-{self.machine.name}", sys.executable, "-m", "tests.echo", str(port)]
        with subprocess.Popen(inside, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "listening\n"
            try:
                yield process.stdout
            finally:
                process.terminate()

    def memory(self) -> int:
        """The most that any process of the edge ever held, in KiB."""
        processes = f"cat /sys/fs/cgroup/system.slice/{self.unit}/cgroup.procs"
        status = self.machine.run(f"for p in $({processes}); do cat /proc/$p/status; done").stdout
        return max(int(size) for size in re.findall(r"VmHWM:\s+(\d+)", status))


@contextmanager
def polled(once: Callable[[], str], workers: int = 2) -> Iterator[Counter[str]]:
    """`once` over and over while the block runs; how often it gave what. An exception counts by its name."""
    counts: Counter[str] = Counter()
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            try:
                counts[once()] += 1
            except (OSError, http.client.HTTPException) as error:
                counts[type(error).__name__] += 1
            time.sleep(0.005)

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    try:
        yield counts
    finally:
        done.set()
        for thread in threads:
            thread.join()
