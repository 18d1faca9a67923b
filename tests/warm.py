"""Python programs that start warm: pyinfra's own imports take longer than most runs, so one process does them and forks for each.

    run(["-m", "reports.status"], cwd=…)         as `python -m reports.status`
    run([".venv/bin/pyinfra", "--version"], …)   as that script

`python tests/warm.py SOCKET` is that process; it ends with the one that started it. It has loaded libraries only: the code of
this repository is read anew by each run, from its own directory.
"""

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any

_LIBRARIES = ("pyinfra_cli.main", "pydantic.main", "pydantic.types", "pydantic.functional_validators", "pydantic.json_schema")


def run(
    arguments: Sequence[str], cwd: Path, env: Mapping[str, str], stdin: str = "", timeout: float = 300, apart: bool = False
) -> "subprocess.CompletedProcess[str]":
    """What subprocess.run would give. Without `apart`, stdout has both outputs.

    Raises TimeoutExpired after it has killed the run."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        given.write(stdin.encode())
        given.seek(0)
        files = [given.fileno(), out.fileno(), (errors if apart else out).fileno()]
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(_server())
            socket.send_fds(connection, [b"."], files)
            connection.sendall(json.dumps([list(arguments), str(cwd), dict(env)]).encode())
            connection.shutdown(socket.SHUT_WR)
            answer = connection.makefile("r")
            pid = int(answer.readline())
            connection.settimeout(timeout)
            try:
                status = int(answer.readline())
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(list(arguments), timeout, _text(out)) from None
        return subprocess.CompletedProcess(list(arguments), status, _text(out), _text(errors))


def cold(
    arguments: Sequence[str], cwd: Path, env: Mapping[str, str], stdin: str = "", timeout: float = 300
) -> "subprocess.CompletedProcess[str]":
    """The same by a process of its own."""
    return subprocess.run(
        arguments,
        cwd=cwd,
        env=dict(env),
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


@cache
def _server() -> str:
    """The socket of this process' own server."""
    directory = tempfile.mkdtemp()
    path = f"{directory}/warm"
    command = [sys.executable, __file__, path]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.readline()
    stdin = process.stdin

    def end() -> None:
        stdin.close()
        process.wait()
        os.unlink(path)
        os.rmdir(directory)

    atexit.register(end)
    return path


def _serve(path: str) -> tuple[list[str], str, dict[str, str]]:
    """Returns in each forked process, with what it is to run."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(16)
    # The libraries let gevent replace these; in a process that is to be forked it must not begin.
    fork, waitpid, wait, plain = os.fork, os.waitpid, select.select, socket.socket
    for name in _LIBRARIES:
        __import__(name)
    gc.freeze()  # what is shared stays so
    os.write(1, b"ready\n")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        if 0 in wait([listener.fileno(), 0], [], [])[0]:
            os._exit(0)
        number, _ = listener._accept()  # type: ignore[attr-defined]
        if fork():
            os.close(number)
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        listener.close()
        connection = plain(fileno=number)
        _, files, _, _ = socket.recv_fds(connection, 1, 3)
        text = b""
        while part := os.read(number, 65536):
            text += part
        if not (pid := fork()):
            connection.close()
            for place, file in enumerate(files):
                os.dup2(file, place)
                os.close(file)
            arguments, cwd, env = json.loads(text)
            return arguments, cwd, env
        os.write(number, f"{pid}\n".encode())
        status = os.waitstatus_to_exitcode(waitpid(pid, 0)[1])
        os.write(number, f"{status}\n".encode())
        os._exit(0)


def _become(arguments: list[str], cwd: str, env: dict[str, str]) -> Any:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    if arguments[0] == "-m":
        sys.path[0] = cwd
        sys.argv = arguments[1:]
        return runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    sys.path[0] = str(Path(arguments[0]).parent)
    sys.argv = arguments
    return runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    _become(*_serve(sys.argv[1]))
