"""Stand-ins of the services behind a gateway: each answers with the request it saw, and echoes on a websocket.

Run as a program: `services.py NAME=PORT|SOCKET ...`; prints a line once all listen. A request directs the answer:
X-Answer-Status, X-Answer-Header (`Name: value`), X-Answer-Size (so many bytes instead of the echo), X-Answer-Early (a status,
before the body is read)."""

import base64
import hashlib
import json
import sys
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn, UnixStreamServer

#: Bodies are echoed up to this many bytes; of longer ones only length and checksum.
ECHOED = 1 << 20


class _Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def address_string(self) -> str:
        return "a client"

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""

    def _answer(self) -> None:
        seen: dict[str, object] = {
            "service": self.server.service,
            "method": self.command,
            "path": self.path,
            "headers": self.headers.items(),
        }
        if "Upgrade" in self.headers:
            return self._websocket(seen)
        if "X-Answer-Early" in self.headers:
            return self.send_error(int(self.headers["X-Answer-Early"]))
        content = json.dumps(seen | self._body()).encode()
        size = int(self.headers.get("X-Answer-Size", len(content)))
        self.send_response(int(self.headers.get("X-Answer-Status", 200)))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(size))
        if "X-Answer-Header" in self.headers:
            self.send_header(*self.headers["X-Answer-Header"].split(": ", 1))
        # As PostgREST and storage do, which answer CORS themselves
        for name, value in (("Origin", "*"), ("Credentials", "true"), ("Methods", "GET"), ("Headers", "x"), ("Max-Age", "1")):
            self.send_header(f"Access-Control-{'' if name == 'Max-Age' else 'Allow-'}{name}", value)
        self.send_header("Access-Control-Expose-Headers", "Content-Range")
        self.end_headers()
        if "X-Answer-Size" in self.headers:
            content = bytes(ECHOED)
        while size and self.command != "HEAD":
            size -= self.wfile.write(content[:size])
        return None

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer  # noqa: N815 - http.server's names

    def _parts(self) -> Iterator[memoryview]:
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                yield memoryview(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
        buffer = memoryview(bytearray(ECHOED))
        left = int(self.headers.get("Content-Length", 0))
        while left and (read := self.rfile.readinto(buffer[:left])):
            yield buffer[:read]
            left -= read

    def _body(self) -> dict[str, object]:
        length, checksum, kept = 0, 0, b""
        for part in self._parts():
            length, checksum = length + len(part), zlib.crc32(part, checksum)
            if length <= ECHOED:
                kept += part
        return {"length": length, "checksum": checksum, "body": kept.decode(errors="replace")}

    def _websocket(self, seen: dict[str, object]) -> None:
        accept = hashlib.sha1(f"{self.headers['Sec-WebSocket-Key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode())
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(accept.digest()).decode())
        self.end_headers()
        self._frame(json.dumps(seen).encode())
        while len(head := self.rfile.read(2)) == 2:
            size = head[1] & 127
            if size == 126:
                size = int.from_bytes(self.rfile.read(2), "big")
            mask = self.rfile.read(4)
            self._frame(bytes(byte ^ mask[i % 4] for i, byte in enumerate(self.rfile.read(size))))
        self.close_connection = True

    def _frame(self, text: bytes) -> None:
        self.wfile.write(bytes([0x81, 126]) + len(text).to_bytes(2, "big") + text)


class _Server(ThreadingMixIn, TCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, service: str, address: str) -> None:
        self.service = service
        if address.isdigit():
            super().__init__(("127.0.0.1", int(address)), _Service)
        else:
            self.address_family = UnixStreamServer.address_family
            super().__init__(address, _Service)  # type: ignore[arg-type] # the address of a Unix socket


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        threading.Thread(target=_Server(*argument.split("=", 1)).serve_forever).start()
    print("all listen", flush=True)
