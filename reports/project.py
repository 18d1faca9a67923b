"""The user's project as pyinfra's own command sees it: config.py, inventory.py and group_data, without a run."""

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pyinfra_cli  # type: ignore[import-untyped]  # noqa: F401 -- patches the standard library for gevent, before pyinfra is there
from pyinfra.api.config import Config
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.state import State
from pyinfra.context import ctx_config, ctx_inventory, ctx_state
from pyinfra_cli.exceptions import UnexpectedExternalError  # type: ignore[import-untyped]
from pyinfra_cli.inventory import make_inventory  # type: ignore[import-untyped]
from pyinfra_cli.util import exec_file  # type: ignore[import-untyped]

from desired.errors import Invalid, Mistake, Stop


def load() -> State:
    """A state over all hosts of the project in the current directory; nothing is connected yet. Raises Stop."""
    if not Path("inventory.py").exists():
        raise Invalid([Mistake("inventory.py", "hosts", "not found here; run this in the project's directory")])
    sys.dont_write_bytecode = True
    # What pyinfra and paramiko would tell about a host, the report tells.
    logging.getLogger().addHandler(logging.NullHandler())
    config, state = Config(), State()  # type: ignore[no-untyped-call]
    ctx_config.set(config)  # type: ignore[no-untyped-call]
    ctx_state.set(state)  # type: ignore[no-untyped-call]
    try:
        if Path("config.py").exists():
            exec_file("config.py")
        inventory = make_inventory("inventory.py", cwd=str(Path.cwd()))
    except UnexpectedExternalError as error:
        problem = f"{type(error.exception).__name__}: {error.exception}"
        raise Invalid([Mistake(Path(error.filename).name, "the file", problem)]) from error.exception
    ctx_inventory.set(inventory)  # type: ignore[no-untyped-call]
    state.init(inventory, config)
    return state


def show(text: str) -> None:
    """On standard output, whose reader may have seen enough (`| head`)."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Python would try again at its end, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def exit_code(body: Callable[[], int]) -> int:
    """What `body` gives; 1 with the message on standard error when it stops."""
    try:
        return body()
    except Stop as stop:
        print(stop, file=sys.stderr)
    except (PyinfraError, click.ClickException) as error:
        print(f"pyinfra: {error}", file=sys.stderr)
    return 1
