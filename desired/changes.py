"""What a run will do or has done, one line a thing. Redacted by construction: a Change has no room for a value."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Verb = Literal["create", "update", "re-encrypt", "remove", "rebuild", "pull", "start", "stop", "restart", "reload", "confirm"]


@dataclass(frozen=True, order=True)
class Change:
    """`verb what` of one instance, or of the whole host when `instance` is None. `detail` says which part, never a value."""

    instance: str | None
    verb: Verb
    what: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.what}" + (f" ({self.detail})" if self.detail else "")


def by_instance(changes: Iterable[Change]) -> dict[str, list[Change]]:
    """Grouped for a person: the host's own changes first (under ""), then instance by instance."""
    groups: dict[str, list[Change]] = {}
    for change in changes:
        groups.setdefault(change.instance or "", []).append(change)
    return dict(sorted(groups.items()))
