"""What `--data` may say: strictly the keys a deploy file knows, and only names that exist."""

from collections.abc import Iterable, Mapping
from typing import Any

from desired.errors import Invalid, Mistake


def selected_instance(overrides: Mapping[str, Any], instances: Iterable[str], keys: Iterable[str] = ("instance",)) -> str | None:
    """The value of `--data instance=NAME`, or None for all. `keys`: every key this deploy file reads.

    Raises Invalid for an unknown key, an empty or non-text value, or a name that no host has.
    """
    known, allowed = sorted(instances), sorted(keys)
    mistakes = [
        Mistake("--data", key, f"unknown key; this deploy reads {', '.join(allowed)}")
        for key in overrides
        if key not in allowed
    ]
    name = overrides.get("instance")
    if "instance" in overrides and name not in known:
        problem = f"no host has an instance of this name; known: {', '.join(known) or 'none'}"
        mistakes.append(Mistake("--data", "instance", problem, value=repr(name)))
    if mistakes:
        raise Invalid(mistakes)
    return name
