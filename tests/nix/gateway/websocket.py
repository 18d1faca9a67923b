"""A websocket client, as much of one as an echo needs."""

import json
import os
import socket
from typing import Any


class WebSocket:
    """An open websocket; `seen` is the request the service saw."""

    def __init__(self, connected: socket.socket, path: str, *headers: str) -> None:
        """Shakes hands."""
        self.socket = connected
        self.file = connected.makefile("rb")
        lines = [
            f"GET {path} HTTP/1.1",
            "Host: supabase.example.org",
            "Connection: keep-alive, Upgrade",
            "Upgrade: WebSocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            *headers,
        ]
        connected.sendall("\r\n".join([*lines, "\r\n"]).encode())
        self.status = int(self.file.readline().split()[1])
        self.headers = dict(line.decode().strip().split(": ", 1) for line in iter(self.file.readline, b"\r\n"))
        self.seen: dict[str, Any] = json.loads(self.receive()) if self.status == 101 else {}

    def receive(self) -> bytes:
        """One frame of the service, which has them all of the middle length."""
        head = self.file.read(4)
        return self.file.read(int.from_bytes(head[2:], "big"))

    def echo(self, text: bytes) -> bytes:
        """What comes back for a text, sent masked as clients must."""
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(text))
        self.socket.sendall(bytes([0x81, 0x80 | 126]) + len(text).to_bytes(2, "big") + mask + masked)
        return self.receive()

    def close(self) -> None:
        """Ends the connection."""
        self.file.close()
        self.socket.close()
