"""The host-wide lock: one run at a time changes a host.

It is held by a process on the host that lives as long as a channel of this run's own connection: a run that dies, or
loses its connection, lets go by itself.
"""

import os
import socket
import subprocess
from pathlib import Path

from pyinfra.api.command import FunctionCommand, StringCommand
from pyinfra.api.host import Host
from pyinfra.api.state import State
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.util import extract_control_arguments, make_unix_command_for_host

from desired.errors import Busy
from facts.script import run_script
from operations.connection import privileges
from operations.site import Site
from operations.stops import Commands, fail
from workstation import lock

#: What keeps the lock open: host name to the channel or process that holds it.
_held: dict[str, object] = {}


def who() -> str:
    """`user@workstation pid N`, for whoever is kept waiting."""
    user = os.environ.get("USER") or str(os.getuid())
    return f"{user}@{socket.gethostname()} pid {os.getpid()}"


def hold(site: Site, epoch: str) -> Commands:
    """Take the lock unless this run has it. `epoch` is the host's as this run has read it: if another run has changed
    the host since, what was planned is stale and the run stops. The sandbox's lock is that of its directory."""
    if site.host.data.system == "sandbox":
        yield FunctionCommand(_take_project, (site.project,), {})
    else:
        yield FunctionCommand(_take, (epoch,), {})


def _take_project(state: State, host: Host, project: Path) -> bool:
    try:
        lock.hold(project)
    except Busy as busy:
        return fail(state, host, str(busy))
    return True


def _take(state: State, host: Host, epoch: str) -> bool:
    name = str(host.name)
    if name in _held:
        return True
    keep, answer = _open(state, host, run_script("lock", args=(epoch, who())))
    if answer == "held":
        _held[name] = keep
        return True
    if answer.startswith("busy"):
        return fail(state, host, f"another run is changing this host: {answer.removeprefix('busy ')}; wait for it and run again")
    if answer == "moved":
        return fail(state, host, "another run has changed this host since its state was read; run again")
    return fail(state, host, f"the host lock could not be taken: {answer or 'no answer'}")


def _open(state: State, host: Host, command: StringCommand) -> tuple[object, str]:
    """Start `command` and keep its stdin open. Gives what holds it and its first line of output."""
    arguments = privileges(host)
    extract_control_arguments(arguments)
    text = make_unix_command_for_host(state, host, command, **arguments).get_raw_value()
    connector = host.connector
    if isinstance(connector, SSHConnector):
        transport = connector.client.get_transport() if connector.client else None
        if transport is None:
            return None, "the connection is gone"
        channel = transport.open_session()
        channel.exec_command(text)
        return channel, channel.makefile("r").readline().strip()
    process = subprocess.Popen(["sh", "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()

