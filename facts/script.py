"""A host script as one command: its text travels as an argument of `sh`, so that nothing is left on the host."""

import shlex

from pyinfra.api.command import StringCommand

from workstation.templates import host_script


def run_script(*names: str, args: tuple[str, ...] = (), stdin: str | None = None) -> StringCommand:
    """The scripts `names`, the last of which gets `args`. `stdin` is the only place where anything secret may stand."""
    text = script_text(*names, args=args)
    return StringCommand(text, _stdin=stdin) if stdin is not None else StringCommand(text)


def guarded(command: StringCommand, otherwise: str) -> StringCommand:
    """`command`, and the shell text `otherwise` when it fails; it has failed all the same."""
    if not otherwise:
        return command
    return StringCommand("(", command, f") || {{ {otherwise}; exit 1; }}", **command.connector_arguments)


def script_text(*names: str, args: tuple[str, ...] = ()) -> str:
    """The same as shell text."""
    return shlex.join(["sh", "-c", host_script(*names), names[-1], *args])
