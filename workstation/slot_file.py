"""`slots.json`, committed by the user: `{host: {instance: slot}}`, the numbers that instances hold for life."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from desired import names
from desired.errors import Busy, SlotStop
from desired.instance import json_text
from desired.numbers import SLOTS
from workstation import files, lock

FILE = "slots.json"


def read(project: Path) -> dict[str, dict[str, int]]:
    """Host to instance to slot; {} when there is no file yet.

    Raises SlotStop when the file is not what `claim` writes: it is never replaced by an empty one.
    """
    path = project / FILE
    try:
        content = files.read(path)
        if content is None:
            return {}
        result: dict[str, dict[str, int]] = json.loads(content, object_pairs_hook=_unique)
        _check(result)
    except OSError as error:
        raise SlotStop(f"{path}: {error.strerror}") from error
    except ValueError as error:  # JSON and UTF-8 errors are ValueErrors too
        raise SlotStop(
            f"{path} cannot be trusted: {error}; slots decide ports and uids of what runs, so nothing is guessed: "
            f"restore it from git (`git log -p {FILE}` shows its states)"
        ) from None
    return result


def claim(project: Path, wanted: Mapping[str, Mapping[str, int]]) -> None:
    """Add the slots of `wanted` (host to instance to slot) under the project lock; others stay as they are.

    Raises Busy when another process has the lock, or has meanwhile given the slot or the instance another value:
    read again, allocate again. Nothing is written when nothing is new.
    """
    if _with(read(project), wanted) is None:
        return
    lock.hold(project)
    result = _with(read(project), wanted)
    if result is None:
        return
    try:
        files.write_atomic(project / FILE, json_text(result))
    except OSError as error:
        raise SlotStop(f"{project / FILE} was not written and is as before: {error.strerror}") from error


def release(project: Path, host: str, instance: str) -> None:
    """Free the slot of an instance of which nothing is left, under the project lock. Raises Busy, SlotStop."""
    lock.hold(project)
    held = read(project)
    if held.get(host, {}).pop(instance, None) is None:
        return
    if not held[host]:
        del held[host]
    try:
        files.write_atomic(project / FILE, json_text(held))
    except OSError as error:
        raise SlotStop(f"{project / FILE} was not written and is as before: {error.strerror}") from error


def _with(held: dict[str, dict[str, int]], wanted: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]] | None:
    """`held` and `wanted` together; None when that is `held`."""
    result = {host: dict(slots) for host, slots in held.items()}
    for host, slots in wanted.items():
        own = result.setdefault(host, {}) if slots else {}
        for instance, slot in slots.items():
            holder = next((name for name, number in own.items() if number == slot), instance)
            if own.get(instance, slot) != slot or holder != instance:
                raise Busy(f"{FILE}: slot {slot} of {host} or instance {instance} was given away meanwhile; run again")
            own[instance] = slot
    return None if result == held else result


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a name stands in it twice")
    return result


def _check(value: object) -> None:
    if not isinstance(value, dict):
        raise ValueError("it is not a dictionary of hosts")
    for host, slots in value.items():
        if not host or not isinstance(slots, dict):
            raise ValueError(f"host {host!r} has no dictionary of instances")
        for instance, slot in slots.items():
            if not names.INSTANCE.fullmatch(instance):
                raise ValueError(f"{instance!r} on {host} is no instance name")
            if type(slot) is not int or slot not in range(SLOTS):
                raise ValueError(f"instance {instance} on {host} has slot {slot!r}; 0 to {SLOTS - 1} are possible")
        if len(set(slots.values())) != len(slots):
            raise ValueError(f"two instances on {host} have the same slot")
