"""What `--data` may say: strictly the keys a deploy file knows, and only names that exist."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from desired.errors import Invalid, Mistake
from desired.shown import named, shown, suggestion


def selected_instance(
    overrides: Mapping[str, Any], instances: Iterable[str], keys: Collection[str] = ("instance",)
) -> str | None:
    """The value of `--data instance=NAME`, or None for all. `keys`: every key this deploy file reads.

    Raises Invalid for an unknown key, an empty or non-text value, or a name that no host has.
    """
    known = tuple(instances)
    mistakes = [Mistake("--data", named(key), f"unknown key; {suggestion(key, keys)}") for key in overrides if key not in keys]
    name = overrides.get("instance")
    if "instance" in overrides and name not in known:
        listed = ", ".join(sorted(known)) or "none"
        mistakes.append(Mistake("--data", "instance", f"no host has this instance; known: {listed}", value=shown(name)))
    if mistakes:
        raise Invalid(mistakes)
    return name


def flag(overrides: Mapping[str, Any], key: str) -> bool:
    """`--data KEY=true`; False when it is not given. Raises Invalid for anything but true and false."""
    value = overrides.get(key, False)
    if not isinstance(value, bool):
        raise Invalid([Mistake("--data", key, "must be true or false", value=shown(value))])
    return value
