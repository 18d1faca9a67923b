"""Commands outside pyinfra's command loop, as root the same way as the operation's own commands."""

import socket
from typing import Any, TypeVar

from paramiko import SSHException, Transport
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS
from pyinfra.api.command import StringCommand
from pyinfra.api.exceptions import ConnectError, PyinfraError
from pyinfra.api.facts import FactBase
from pyinfra.api.host import Host
from pyinfra.api.state import State
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.context import ctx_host, state

from desired.errors import HostStop

#: After how many seconds of silence a connection counts as gone. Shorter than the host keeps the lock without a sign.
SILENCE_SECONDS = 20
T = TypeVar("T")


def privileges(host: Host) -> dict[str, Any]:
    """The connector arguments (`_sudo` and the like) of the operation that runs now."""
    arguments: dict[str, Any] = dict(host.current_op_global_arguments or {})
    return {key: value for key, value in arguments.items() if key in CONNECTOR_ARGUMENT_KEYS and key != "_stdin"}


def transport(host: Host) -> Transport | None:
    """The host's SSH transport; None without SSH, or when there is no connection."""
    connector = host.connector
    return connector.client.get_transport() if isinstance(connector, SSHConnector) and connector.client else None


def is_gone(host: Host) -> bool:
    """Whether the SSH connection has ended since the run began."""
    found = transport(host)
    return isinstance(host.connector, SSHConnector) and (found is None or not found.is_active())


def notice_silence(of: Transport) -> None:
    """Let the kernel end the connection when the host no longer answers; paramiko would wait for ever."""
    sock: Any = of.sock
    while hasattr(sock, "get_transport"):  # a ProxyJump: the socket is that of the jump
        sock = sock.get_transport().sock
    if not isinstance(sock, socket.socket):  # a ProxyCommand
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": SILENCE_SECONDS * 1000}
    for name, value in options.items():
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def ask(kind: type[FactBase[T]], **arguments: Any) -> T:
    """A fact of the host at hand. Raises HostStop where there is no answer, or none that can be used."""
    host: Host = ctx_host.get()  # type: ignore[no-untyped-call]
    try:
        answer: T = host.get_fact(kind, **arguments)
    except PyinfraError:  # "No hosts remaining!": the one that failed was the last
        if host not in state.failed_hosts:
            raise
    if host in state.failed_hosts:
        raise HostStop("the host gave no answer, as said above; see that it can be reached, then run again")
    return answer


def run(host: Host, command: StringCommand) -> tuple[bool, list[str]]:
    """Run over the connection that is there. Gives success and the lines of both outputs."""
    return _run(host.connector, host, command)


def run_on_new_connection(state: State, host: Host, command: StringCommand) -> tuple[bool, list[str]]:
    """Run over a connection made for this one command: the proof that the host still lets somebody in."""
    if not isinstance(host.connector, SSHConnector):
        return run(host, command)
    connector = SSHConnector(state, host)
    try:
        connector.connect()
    except ConnectError as error:
        return False, [f"no new connection: {error}"]
    try:
        return _run(connector, host, command)
    finally:
        if connector.client is not None:
            connector.client.close()


def _run(connector: Any, host: Host, command: StringCommand) -> tuple[bool, list[str]]:
    arguments = {**privileges(host), **command.connector_arguments}
    try:
        success, output = connector.run_shell_command(command, print_output=False, print_input=False, **arguments)
    except (OSError, EOFError, SSHException) as error:
        return False, [f"the connection failed: {error or type(error).__name__}"]
    return success, [line.line for line in output]
