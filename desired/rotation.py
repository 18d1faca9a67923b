"""Rotation with continuity: the new signing key reaches every verifier before anybody signs with it, and the old one is accepted
until its date.

    start     NAME-next is made beside NAME; every verifier accepts both
    switch    NAME becomes NAME-previous, NAME-next becomes NAME: the ciphertext is renamed, nothing is decrypted; what cannot
              overlap gets a new value
    retire    NAME-previous is removed

A stage is over when the host runs what it wrote. The state is in the files and their sidecars alone, so it survives the
workstation (supabase-stack.md §6.1, §6.2).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from desired.changes import Change
from desired.errors import SecretStop
from desired.instance import OVERLAPPING, Instance
from desired.names import GENERATIONS
from desired.secret_plan import NEXT, PREVIOUS, Stored
from desired.sidecar import Sidecar, parse, render, time_of, time_text

Stage = Literal["start", "switch", "retire"]

#: File name to its new content, None for a file that goes.
Moves = dict[str, bytes | None]


@dataclass(frozen=True)
class Standing:
    """How far the rotation of an instance is. `until`: when what is still accepted is to be retired, if a sidecar tells."""

    following: bool = False
    previous: bool = False
    until: datetime | None = None

    def ended(self, now: datetime) -> bool:
        return self.previous and self.until is not None and now >= self.until

    def after(self, stage: Stage | None, now: datetime) -> tuple[str, ...]:
        """The generations a run of this stage leaves beside the current one; the same when it has done so already."""
        if stage == "switch":
            return (PREVIOUS,)
        kept = self.previous and stage != "retire" and not self.ended(now)
        return (NEXT,) * (stage == "start" or self.following) + (PREVIOUS,) * kept


def stages(standing: Standing, now: datetime, *, retire_now: bool) -> tuple[Stage | None, ...]:
    """What is left to do; None is a converge that only brings the files to the host.

    Raises SecretStop when the old values are to be retired before the new ones are in their place.
    """
    if retire_now:
        if standing.following:
            raise SecretStop("a rotation was started and has not switched yet: run it without --retire-now first")
        return ("retire",) if standing.previous else (None,)
    if standing.previous and not standing.following and not standing.ended(now):
        return (None,)
    return ("start", "switch")


def accepted_until(sidecar: Sidecar) -> datetime | None:
    """When a previous generation is to be retired; None for others."""
    return time_of(sidecar.state.removeprefix("previous until ")) if sidecar.state.startswith("previous until ") else None


def moves(instance: Instance, found: Mapping[str, Stored], stage: Stage | None, until: datetime) -> Moves:
    """What of an instance's files is renamed or goes, so that those of `instance.generations` are left. `found`: every
    generation. Raises SecretStop when one that is to be renamed is missing or damaged."""
    result: Moves = {}
    for kind in OVERLAPPING:
        secret = instance.secrets[kind]
        if stage == "switch":
            result |= _switched(secret, found, until)
        for ending in GENERATIONS:
            if ending not in instance.generations and found[secret + ending] != Stored(None, None):
                result |= {secret + ending + ".age": None, secret + ending + ".json": None}
    return result


def move_changes(instance: Instance, moved: Moves, stage: Stage | None, hours: int) -> Iterator[Change]:
    """The moves for a person, whether the next generation is there yet or made by an earlier stage of the same run."""
    for kind in OVERLAPPING:
        secret = instance.secrets[kind]
        if stage == "switch":
            yield Change(instance.name, "update", f"{secret}.age", "the new value takes its place")
            yield Change(instance.name, "create", f"{secret}{PREVIOUS}.age", f"accepted for {hours} hours")
            yield Change(instance.name, "remove", f"{secret}{NEXT}.age", "it is in its place")
        elif f"{secret}{PREVIOUS}.age" in moved:
            yield Change(instance.name, "remove", f"{secret}{PREVIOUS}.age", "no longer accepted")


def _switched(secret: str, found: Mapping[str, Stored], until: datetime) -> Moves:
    """Without a next generation, which an earlier stage of the same run makes, only what becomes of the present one."""
    current, following = found[secret], found[secret + NEXT]
    state = f"previous until {time_text(until)}"
    result: Moves = {
        f"{secret}{PREVIOUS}.age": current.ciphertext,
        f"{secret}{PREVIOUS}.json": render(replace(_whole(secret, current), secret=secret + PREVIOUS, state=state)),
    }
    if following != Stored(None, None):
        sidecar = _whole(secret + NEXT, following)
        renamed = render(replace(sidecar, secret=secret, state="current"))
        result |= {f"{secret}.age": following.ciphertext, f"{secret}.json": renamed}
    return result


def _whole(secret: str, stored: Stored) -> Sidecar:
    if stored.ciphertext is None or stored.sidecar is None:
        raise SecretStop(f"{secret}.age or its sidecar is missing: restore both from git, then run again")
    try:
        return parse(stored.sidecar)
    except ValueError as error:
        raise SecretStop(f"{secret}.json cannot be trusted: {error}; restore it from git, then run again") from None
