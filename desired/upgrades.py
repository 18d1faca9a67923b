"""Another version of a service that brings its part of a database forward when it starts, and never back."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from desired.changes import Change
from desired.record import Record

#: Services whose versions a database's record has. That of auth follows from the host's own nixpkgs, and shows when it is built.
SERVICES = ("realtime", "storage")


@dataclass(frozen=True)
class Upgrade:
    """`have` has answered on the database; `want` will start on it."""

    instance: str
    database: str
    service: str
    have: str
    want: str

    @property
    def change(self) -> Change:
        what = f"service {self.service} of database {self.database}"
        return Change(self.instance, "update", what, f"{self.have} -> {self.want}, dump first")

    @property
    def back(self) -> bool:
        """Whether it is none: the wanted version is the older one."""
        return _key(self.want) < _key(self.have)

    @property
    def no_way_back(self) -> str:
        """What a person must know when the host has returned after it."""
        return (
            f"{self.instance}: {self.service} {self.want} may have migrated {self.database}, so {self.have} does not start on it "
            "any more. Correct what is wrong and run again; or restore the newest dump in "
            f"/var/lib/supabase/dumps/{self.instance}/ as docs/upgrades.md says"
        )


def upgrades(instance: str, database: str, wanted: Record, known: Record) -> Iterator[Upgrade]:
    """A service that no version of is known on this database is none: it starts there for the first time."""
    for service in SERVICES:
        have, want = getattr(known, service), getattr(wanted, service)
        if None not in (have, want) and have != want:
            yield Upgrade(instance, database, service, have, want)


def _key(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))
