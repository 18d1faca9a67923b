"""What the inventory says of a host, and in which file each value stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Layer:
    """One source of a host's data. `file` is what a person would open."""

    file: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class HostInput:
    """A host as the inventory gives it: `layers` from the weakest to the strongest, `host_key` as in known_hosts."""

    name: str
    layers: tuple[Layer, ...]
    host_key: str | None

    def value(self, key: str, default: Any = None) -> Any:
        return next((layer.data[key] for layer in reversed(self.layers) if key in layer.data), default)

    def files(self, key: str) -> list[str]:
        """The files that define a key, the winning one last."""
        return [layer.file for layer in self.layers if key in layer.data]

    def file(self, key: str) -> str:
        """Where a person would look for a key: where it stands, else beside the host's instances."""
        return (self.files(key) or self.files("instances") or ["inventory.py"])[-1]
