"""What a person sees of a run: every change once, grouped by instance, before it is made."""

from collections import defaultdict
from collections.abc import Iterable

from pyinfra import logger
from pyinfra.api.host import Host
from pyinfra.api.output import format_text

from desired.changes import Change, by_instance

_SIGNS = {"create": "+", "pull": "+", "start": "+", "remove": "-", "stop": "-"}
_said: dict[str, list[str]] = defaultdict(list)
_changes: dict[str, list[tuple[str, Change]]] = defaultdict(list)
_stages: dict[str, str] = {}


def begin(host: Host, stage: str) -> None:
    """What is announced from now on is of this stage of the run, which may say the same as an earlier one."""
    _stages[str(host.name)] = stage
    if stage:
        note(host, f"stage {stage}:")


def announce(host: Host, changes: Iterable[Change]) -> None:
    """Print the changes this process has not printed for the host yet: pyinfra runs a body twice when it prompts."""
    name = str(host.name)
    stage = _stages.get(name, "")
    fresh = [change for change in changes if (stage, change) not in _changes[name]]
    _changes[name].extend((stage, change) for change in fresh)
    for instance, group in by_instance(fresh).items():
        for change in group:
            line = f"{_SIGNS.get(change.verb, '~')} {instance or 'host'}: {change}"
            logger.info(host.print_prefix + format_text(line, "yellow"))


def note(host: Host, text: str) -> None:
    """Print a remark once; it is no change."""
    if text not in _said[str(host.name)]:
        _said[str(host.name)].append(text)
        logger.info(f"{host.print_prefix}{text}")


def announced(host: Host) -> tuple[Change, ...]:
    """Every change of this run on the host so far."""
    return tuple(change for _, change in _changes[str(host.name)])
