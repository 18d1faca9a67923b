"""Rotation with continuity: the new signing key reaches every verifier before anybody signs with it, and the old one is accepted
until its date.

    start     NAME-next is made beside NAME; every verifier accepts both
    switch    NAME becomes NAME-previous, NAME-next becomes NAME: the ciphertext is renamed, nothing is decrypted
    retire    NAME-previous is removed

A stage is over when the host runs what it wrote. The state is in the files and their sidecars alone, so it survives the
workstation (supabase-stack.md §6.1, §6.2).
"""

from dataclasses import replace
from datetime import datetime
from typing import Final, Literal

from desired.errors import SecretStop
from desired.secret_plan import Stored
from desired.sidecar import Sidecar, parse, render, time_of, time_text

Stage = Literal["start", "switch", "retire"]
Generation = Literal["next", "previous"]
#: What several services verify or compare: only these can overlap.
OVERLAPPING: Final = ("jwt", "anon", "service")
GENERATIONS: Final[tuple[Generation, ...]] = ("next", "previous")
_AGE_JSON: Final = (".age", ".json")

#: File name to its new content, None for a file that goes.
Moves = dict[str, bytes | None]


def generation_name(secret: str, generation: Generation) -> str:
    """`supabase-prod-jwt-next`."""
    return f"{secret}-{generation}"


def accepted_until(sidecar: Sidecar) -> datetime | None:
    """When a previous generation is to be retired; None for others."""
    return time_of(sidecar.state.removeprefix("previous until ")) if sidecar.state.startswith("previous until ") else None


def switched(secret: str, current: Stored, following: Stored, until: datetime) -> Moves:
    """The moves that let `secret-next` take the place of `secret`, which is accepted until then.

    Raises SecretStop when one of the four files is missing or damaged.
    """
    old, new = _whole(secret, current), _whole(generation_name(secret, "next"), following)
    previous = generation_name(secret, "previous")
    return {
        f"{previous}.age": current.ciphertext,
        f"{previous}.json": render(replace(old, secret=previous, state=f"previous until {time_text(until)}")),
        f"{secret}.age": following.ciphertext,
        f"{secret}.json": render(replace(new, secret=secret, state="current")),
        **removed(generation_name(secret, "next")),
    }


def removed(secret: str) -> Moves:
    """The moves that remove a secret."""
    return {secret + ending: None for ending in _AGE_JSON}


def _whole(secret: str, stored: Stored) -> Sidecar:
    if stored.ciphertext is None or stored.sidecar is None:
        raise SecretStop(f"{secret}.age or its sidecar is missing: restore both from git, then run again")
    try:
        return parse(stored.sidecar)
    except ValueError as error:
        raise SecretStop(f"{secret}.json cannot be trusted: {error}; restore it from git, then run again") from None
