"""The host-wide lock: one run at a time changes a host.

It is held by a process on the host that lives as long as a channel of this run's own connection brings signs of life: a
run that dies lets go at once, one that is cut off within half a minute. What a dead run left at work on the host is
waited for, and a run that has lost the lock to another one gets no further: see `step`.
"""

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pyinfra.api.command import FunctionCommand, QuoteString, StringCommand
from pyinfra.api.host import Host
from pyinfra.api.state import State
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.util import extract_control_arguments, make_unix_command_for_host

from desired.errors import Busy
from facts.script import run_script, script_text
from operations.connection import notice_silence, privileges, run, transport
from operations.site import Site
from operations.stops import Commands, fail
from workstation import lock

#: How often the holder on the host gets a sign of life; it gives up after 30 s without one.
SIGN_SECONDS = 5


@dataclass(frozen=True)
class _Held:
    """`epoch`: the number of this run on the host; `channel`: what must stay open."""

    epoch: str
    channel: object


_held: dict[str, _Held] = {}


def who() -> str:
    """`user@workstation pid N`, for whoever is kept waiting."""
    user = os.environ.get("USER") or str(os.getuid())
    return f"{user}@{socket.gethostname()} pid {os.getpid()}"


def hold(site: Site, epoch: str) -> Commands:
    """Take the lock unless this run has it. `epoch` is the host's as this run has read it: if another run has changed
    the host since, what was planned is stale and the run stops. The sandbox's lock is that of its directory."""
    if site.host.system == "sandbox":
        yield FunctionCommand(_take_project, (site.project,), {})
    else:
        yield FunctionCommand(_take, (epoch,), {})


def hold_first(site: Site) -> Commands:
    """Take the lock before this run changes anything anywhere."""
    yield from hold(site, site.system().epoch if site.host.system == "nixos" else "")


def refused(site: Site, reason: str) -> Commands:
    """Fail with a reason that keeps this run from changing the host; while another run is at work, that is the reason."""
    yield FunctionCommand(_refused, (site.host.system == "nixos", reason), {})


def _refused(state: State, host: Host, nixos: bool, reason: str) -> bool:
    lock = "/run/supabase-host.lock"
    asked = StringCommand(f"[ ! -e {lock} ] || flock -n {lock} true || cat /run/supabase-host.holder")
    answered, holder = run(host, asked) if nixos else (True, [])
    return fail(state, host, _busy(holder[0]) if answered and holder else reason)


def _busy(holder: str) -> str:
    return f"another run is changing this host: {holder}; wait for it and run again"


def epoch_of(host: Host) -> str:
    """The number of this run on the host, whose lock it holds."""
    return _held[str(host.name)].epoch


def step(host: Host, command: StringCommand) -> StringCommand:
    """`command` as a step of this run. Without a host lock (the sandbox) it is the command alone."""
    if str(host.name) not in _held:
        return command
    fence = script_text("step", args=(epoch_of(host), "sh", "-c"))
    return StringCommand(fence, QuoteString(command), **command.connector_arguments)


def _take_project(state: State, host: Host, project: Path) -> bool:
    try:
        project.mkdir(mode=0o700, exist_ok=True)
        lock.hold(project)
    except Busy as busy:
        return fail(state, host, str(busy))
    return True


def _take(state: State, host: Host, epoch: str) -> bool:
    name = str(host.name)
    if name in _held:
        return True
    channel, answer = _open(state, host, run_script("lock", args=(epoch, who())))
    verdict, _, detail = answer.partition(" ")
    if verdict == "held":
        _held[name] = _Held(detail, channel)
        return True
    if verdict == "busy":
        return fail(state, host, _busy(detail))
    if verdict == "moved":
        return fail(state, host, "another run has changed this host since its state was read; run again")
    return fail(state, host, f"the host lock could not be taken: {answer or 'no answer'}")


def _open(state: State, host: Host, command: StringCommand) -> tuple[object, str]:
    """Start `command` and keep its stdin open with signs of life. Gives what holds it and its first line of output."""
    arguments = privileges(host)
    extract_control_arguments(arguments)  # type: ignore[arg-type]
    text = make_unix_command_for_host(state, host, command, **arguments).get_raw_value()
    if isinstance(host.connector, SSHConnector):
        connection = transport(host)
        if connection is None:
            return None, "the connection is gone"
        notice_silence(connection)
        channel = connection.open_session()
        channel.exec_command(text)
        _keep_saying(lambda: channel.sendall(b"."))
        return channel, channel.makefile("r").readline().strip()
    process = subprocess.Popen(["sh", "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None
    assert stdout is not None
    _keep_saying(lambda: stdin.write(b"."))
    return process, stdout.readline().decode().strip()


def _keep_saying(sign: Callable[[], object]) -> None:
    def say() -> None:
        try:
            while True:
                sign()
                time.sleep(SIGN_SECONDS)
        except OSError:
            return  # the holder or the connection has ended; the next step finds out

    threading.Thread(target=say, daemon=True).start()
