"""The images that services run from: which of them a host needs, and which it has still to pull.

Containers never pull one when they start: a host that boots without a way to the registry serves all the same.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from desired.changes import Change


@dataclass(frozen=True)
class Image:
    """One entry of images.json. `image`: the reference, by digest; `version`: the service's own, which its migrations follow."""

    service: str
    image: str
    version: str


def needed(options: Collection[Mapping[str, Any]], images: Mapping[str, Image]) -> tuple[Image, ...]:
    """The images that instances with these options run from; each option has all its values."""
    on = {service for option in options if option.get("enable", True) for service, is_on in option["services"].items() if is_on}
    return tuple(image for service, image in sorted(images.items()) if service in on)


def pulls(needed: Collection[Image], present: Collection[str]) -> tuple[Change, ...]:
    """`present`: the references that the host has."""
    missing = (item for item in needed if item.image not in present)
    return tuple(Change(None, "pull", f"image {item.service} {item.version}") for item in missing)
