"""Everything this project stops with.

    Stop             a run cannot go on; the message says what is wrong, where, and the next step
    ├── Invalid      mistakes in group_data or --data, all of them at once
    ├── SecretStop   a secret's file, sidecar, recipients or identity is not what it must be
    ├── SlotStop     the slot file is corrupt, full, or disagrees with the host
    ├── HostStop     the host is not what this run may change (foreign deploy, missing import, unreachable)
    └── Busy         another run holds the project lock or the host lock

A `Stop` never carries a plaintext: it names secrets, it does not quote them.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class Stop(Exception):  # noqa: N818 -- not every stop is an error of somebody
    """The run cannot go on. `str(stop)` is the whole message for a person."""


class SecretStop(Stop):
    """A secret is missing, unreadable, changed by hand or meant for others."""


class SlotStop(Stop):
    """The slot file cannot be trusted."""


class HostStop(Stop):
    """The host is not what this run may change."""


class Busy(Stop):
    """Somebody else is at work here."""


@dataclass(frozen=True)
class Mistake:
    """One wrong value: where it stands, what it is, what would be right. `value` is None when it must not be shown."""

    file: str
    field: str
    problem: str
    instance: str | None = None
    value: str | None = None

    def __str__(self) -> str:
        where = f"{self.file}: " + (f"instance {self.instance}: " if self.instance else "")
        shown = f" = {self.value}" if self.value is not None else ""
        return f"{where}{self.field}{shown}: {self.problem}"


class Invalid(Stop):
    """`mistakes`: every mistake found, in the order of the files."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        count = len(self.mistakes)
        lines = "\n".join(f"  {mistake}" for mistake in self.mistakes)
        super().__init__(f"{count} mistake{'s' if count != 1 else ''}; nothing was changed:\n{lines}")
