"""How a `Stop` ends things: before the run it ends the run, during the run it ends its own host only."""

import functools
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import ParamSpec

from pyinfra import logger
from pyinfra.api.command import FunctionCommand, PyinfraCommand
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host
from pyinfra.api.state import State
from pyinfra.context import host as current_host
from pyinfra.context import state as current_state

from desired.errors import Stop

P = ParamSpec("P")
Commands = Generator[PyinfraCommand, None, None]


@contextmanager
def one_message() -> Iterator[None]:
    """Turn a Stop into pyinfra's one red line without a traceback."""
    try:
        yield
    except Stop as stop:
        raise OperationError(str(stop)) from stop


def stops_host(body: Callable[P, Commands]) -> Callable[P, Commands]:
    """An operation's body whose Stop is an error of the run while planning, and a failed host while executing:
    pyinfra would end the whole process on an exception there."""

    @functools.wraps(body)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> Commands:
        try:
            yield from body(*args, **kwargs)
        except Stop as stop:
            if not current_state.is_executing:
                raise OperationError(f"{current_host.name}: {stop}") from stop
            yield FunctionCommand(fail, (str(stop),), {})

    return wrapped


def fail(state: State, host: Host, reason: str) -> bool:
    """Fail this host with one message."""
    logger.error(f"{host.print_prefix}{reason}")
    return False
