"""The SSH transport: paramiko leaves TCP_NODELAY off, which costs some 40 ms a command (pyinfra.md §0.1, measured)."""

import socket
from typing import Any

from paramiko import Transport


def no_delay(sock: Any, *args: Any, **kwargs: Any) -> Transport:
    """A paramiko transport over `sock`, which through a ProxyJump is a channel and has no such option."""
    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Transport(sock, *args, **kwargs)
