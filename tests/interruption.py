"""Loaded into pyinfra by a test's config.py: stops it at one of the host's commands, as INTERRUPT says.

`WHEN COMMAND kill` or `WHEN COMMAND pause FILE`: WHEN is `before` the command is sent, when it is `sent`, or `after` it has
ended; COMMAND is the name of a host script, or `sql`. A pause makes FILE and goes on when it is gone. `number N kill` ends it
at the Nth of all these points, and of those after a file of the project was put in place or removed. INTERRUPT_LOG names a file
that gets the commands' names, INTERRUPT_POINTS one that gets every point.
"""

import os
import re
import signal
import time
from pathlib import Path
from typing import Any

from paramiko.channel import Channel

_SCRIPTS = Path(__file__).parent.parent / "templates/host"
_STEPS = ("install", "build", "dump", "arm", "activate", "start", "confirm", "login", "purge")
_seen: list[str] = []
_points = 0


def _has(command: str, script: str) -> bool:
    """By the first line of its text, as far as no quoting changes it."""
    return re.split("['\n]", (_SCRIPTS / f"{script}.sh").read_text())[0] in command


def _name(command: str) -> str | None:
    if _has(command, "lock"):
        return "lock"
    if _has(command, "step"):
        return next((name for name in _STEPS if _has(command, name)), "sql")
    # before that, health is asked while planning
    return "health" if _has(command, "health") and "arm" in _seen else None


def _reached(when: str, name: str | None) -> None:
    global _points
    if name is None:
        return
    _points += 1
    if log := os.environ.get("INTERRUPT_POINTS"):
        with Path(log).open("a") as file:
            file.write(f"{when} {name}\n")
    wanted = os.environ.get("INTERRUPT", "").split(" ")
    if wanted[:2] not in ([when, name], ["number", str(_points)]):
        return
    if wanted[2] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    there = Path(wanted[3])
    there.touch()
    while there.exists():
        time.sleep(0.02)


_rename, _unlink = os.rename, os.unlink


def _file(path: Any) -> str | None:
    """A file of the project, which this process runs in; its own ones aside."""
    name = os.path.relpath(os.fspath(path))
    return None if name.startswith("..") or name.endswith((".tmp", ".lock", "paused")) else name


def _renamed(source: Any, to: Any, **keywords: Any) -> None:
    _rename(source, to, **keywords)
    _reached("after", f"write {name}" if (name := _file(to)) else None)


def _unlinked(path: Any, **keywords: Any) -> None:
    _unlink(path, **keywords)
    _reached("after", f"remove {name}" if (name := _file(path)) else None)


os.rename, os.unlink = _renamed, _unlinked  # type: ignore[assignment]

_send, _end = Channel.exec_command, Channel.recv_exit_status


def _exec_command(self: Any, command: Any) -> Any:
    name = _name(command if isinstance(command, str) else command.decode())
    if name is not None:
        _seen.append(name)
        if log := os.environ.get("INTERRUPT_LOG"):
            with Path(log).open("a") as file:
                file.write(f"{name}\n")
    _reached("before", name)
    self.interruption = name
    result = _send(self, command)
    _reached("sent", name)
    return result


def _recv_exit_status(self: Any) -> int:
    status = _end(self)
    _reached("after", getattr(self, "interruption", None))
    return status


Channel.exec_command = _exec_command  # type: ignore[method-assign]
Channel.recv_exit_status = _recv_exit_status  # type: ignore[method-assign]
