"""Commands outside pyinfra's command loop, as root the same way as the operation's own commands."""

from typing import Any

from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS
from pyinfra.api.command import StringCommand
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.host import Host
from pyinfra.api.state import State
from pyinfra.connectors.ssh import SSHConnector


def privileges(host: Host) -> dict[str, Any]:
    """The connector arguments (`_sudo` and the like) of the operation that runs now."""
    arguments: dict[str, Any] = dict(host.current_op_global_arguments or {})
    return {key: value for key, value in arguments.items() if key in CONNECTOR_ARGUMENT_KEYS and key != "_stdin"}


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
    success, output = connector.run_shell_command(command, print_output=False, print_input=False, **arguments)
    return success, [line.line for line in output]
