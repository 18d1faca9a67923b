import socket

import paramiko

from operations.transport import no_delay


def test_a_socket_sends_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0
        transport = no_delay(client)
        assert isinstance(transport, paramiko.Transport)
        assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_a_channel_of_a_jump_host_is_taken_as_it_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        channel = paramiko.Channel(0)
        channel.transport = paramiko.Transport(client)
        assert isinstance(no_delay(channel), paramiko.Transport)
        assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0
