"""What has to happen to the secrets of some instances: the stored files against the wanted ones. Needs no private key."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from desired import age_file
from desired.changes import Change
from desired.errors import SecretStop
from desired.estate import Host
from desired.generators import GENERATORS, PARENTS, Inputs, inputs_digest
from desired.graph import ordered, with_derived
from desired.instance import OVERLAPPING, Instance
from desired.names import GENERATIONS
from desired.sidecar import Sidecar, digest, parse

NEXT, PREVIOUS = GENERATIONS
#: Every kind, parents before children.
_ORDER: Final = ordered(PARENTS, PARENTS)


@dataclass(frozen=True)
class Wanted:
    """One secret of one instance; `parents`: kind to secret name, of the same generation (an ending, "" for the current one)."""

    instance: str
    kind: str
    secret: str
    recipients: tuple[str, ...]
    inputs: Inputs
    parents: Mapping[str, str]
    generation: str = ""

    @property
    def made(self) -> bool:
        """Whether a run can make a value."""
        return GENERATORS[self.kind].make is not None and self.generation != PREVIOUS


@dataclass(frozen=True)
class Stored:
    """The two files of one secret as they are; None where there is none."""

    ciphertext: bytes | None
    sidecar: bytes | None


@dataclass(frozen=True)
class Action:
    """`opens`: the stored secrets that must be decrypted for it. `sidecar`: the present one, None when there is none."""

    verb: Literal["create", "update", "re-encrypt"]
    wanted: Wanted
    opens: tuple[str, ...]
    sidecar: Sidecar | None
    detail: str

    def change(self) -> Change:
        return Change(self.wanted.instance, self.verb, f"{self.wanted.secret}.age", self.detail)


@dataclass(frozen=True)
class Outcome:
    """`actions`: parents before children. `sidecars`: those of the secrets that stay as they are or are re-encrypted."""

    actions: tuple[Action, ...]
    sidecars: Mapping[str, Sidecar]


def wanted(host: Host, instances: Sequence[Instance]) -> tuple[Wanted, ...]:
    """Every secret of the instances, each instance's and generation's together, parents before children."""
    recipients = host.recipients
    result = []
    for instance in instances:
        for generation in ("", *instance.generations):
            kinds = OVERLAPPING if generation else instance.secrets
            for kind in (kind for kind in _ORDER if kind in kinds):
                generator = GENERATORS[kind]
                parents = {parent: instance.secrets[parent] + generation for parent in generator.parents}
                inputs, secret = generator.inputs(instance, host), instance.secrets[kind] + generation
                result.append(Wanted(instance.name, kind, secret, recipients, inputs, parents, generation))
    return tuple(result)


def plan(
    items: Sequence[Wanted],
    stored: Mapping[str, Stored],
    directory: str,
    renew: frozenset[str] = frozenset(),
    origin: Callable[[str], str | None] = lambda ciphertext_digest: None,
    given: Collection[str] = (),
) -> Outcome:
    """The actions that make the stored secrets the wanted ones; `renew` names kinds whose current generation gets a new value
    whatever is stored, `given` those of them that a person has given one for.

    `directory` stands before file names in messages; `origin` says which other secret a ciphertext digest belongs to.
    Raises SecretStop with everything that is not as our own runs leave it: nothing is regenerated silently.
    """
    fresh = with_derived(PARENTS, renew)
    problems: list[str] = []
    actions: list[Action] = []
    sidecars: dict[str, Sidecar] = {}
    for group in _groups(items):
        kept: dict[str, Sidecar] = {}
        missing: set[str] = set()
        found: list[str] = []
        for item in group:
            files = stored[item.secret]
            if item.kind in fresh and not item.generation:
                if not item.made and item.kind not in given:
                    found.append(f"{directory}/{item.secret}.age cannot be made anew: {asked(item, directory)}")
                continue
            if files.ciphertext is None and files.sidecar is None:
                if item.made:
                    missing.add(item.kind)
                else:
                    found.append(f"{directory}/{item.secret}.age is missing: {anew(item, directory)}")
                continue
            result = judged(item, files, directory, origin)
            if isinstance(result, str):
                found.append(result)
            else:
                kept[item.kind] = result
        if not found:
            found.extend(_broken_lines(group, kept, missing, directory))
        problems.extend(found)
        if not found:
            actions.extend(_actions(group, kept, missing, stored))
            sidecars.update({item.secret: kept[item.kind] for item in group if item.kind in kept})
    if problems:
        raise SecretStop("\n".join(problems))
    return Outcome(tuple(actions), sidecars)


def _groups(items: Sequence[Wanted]) -> Iterator[list[Wanted]]:
    """Each instance's and generation's: nothing is made from another group's."""
    groups: dict[tuple[str, str], list[Wanted]] = {}
    for item in items:
        groups.setdefault((item.instance, item.generation), []).append(item)
    yield from groups.values()


def asked(item: Wanted, directory: str) -> str:
    """What a person must give, and how."""
    adopt = f"`just supabase-adopt {item.instance}`"
    return (
        f"it is yours to give: {GENERATORS[item.kind].what}. `just supabase-update-secret {item.instance} {item.kind} --stdin` "
        f"takes it from standard input; or with agenix: {adopt} writes the rule, then `agenix -e {item.secret}.age` in "
        f"{directory}/, and {adopt} takes it over"
    )


def anew(item: Wanted, directory: str) -> str:
    """The way out when a value is lost or no good."""
    if item.generation:
        end = f"`just supabase-rotate-secrets {item.instance} --retire-now` ends the rotation"
        away = f"remove {item.secret}.age and {item.secret}.json"
        return f"restore it from git, or {end if item.generation == PREVIOUS else away}"
    if GENERATORS[item.kind].make is None:
        return asked(item, directory)
    return f"`just supabase-update-secret {item.instance} {item.kind}` makes a new one"


def judged(item: Wanted, files: Stored, directory: str, origin: Callable[[str], str | None]) -> Sidecar | str:
    """The sidecar when both files are as a run left them and as wanted; else what is wrong and what to do."""
    age, json = f"{directory}/{item.secret}.age", f"{directory}/{item.secret}.json"
    adopt = f"`just supabase-adopt {item.instance}`"
    if files.sidecar is None:
        return (
            f"{age} has no sidecar {json}: restore that from git; if the secret was put there by hand, {adopt} checks it "
            "and writes the sidecar"
        )
    if files.ciphertext is None:
        return (
            f"{age} is missing, but its sidecar is there: restore the file from git; if it is lost for good, "
            f"{anew(item, directory)}"
        )
    try:
        sidecar = parse(files.sidecar)
    except ValueError as error:
        return f"{json} cannot be trusted: {error}; restore it from git, or {adopt} writes it anew from the secret itself"
    if (sidecar.instance, sidecar.kind, sidecar.secret) != (item.instance, item.kind, item.secret):
        return (
            f"{json} is the sidecar of {sidecar.secret} ({sidecar.kind} of instance {sidecar.instance}), copied over that of "
            f"{item.secret}: restore {item.secret}.age and {item.secret}.json from git"
        )
    if generation_of(sidecar) != item.generation:
        return f"{json} says that it is {sidecar.state}, which its name does not: restore {item.secret}.age and it from git"
    seen = digest(files.ciphertext)
    if seen != sidecar.ciphertext:
        return _changed(item, files.ciphertext, seen, age, adopt, origin)
    if sidecar.inputs != inputs_digest(item.inputs):
        return (
            f"{age} was made for other values than group_data has now ({_shown(item.inputs)}): set them back, or "
            f"{anew(item, directory)}, which cuts off whoever uses the present one"
        )
    return sidecar


def generation_of(sidecar: Sidecar) -> str:
    """The ending that a secret of this state has."""
    return {"next": NEXT, "current": ""}.get(sidecar.state, PREVIOUS)


def _changed(item: Wanted, ciphertext: bytes, seen: str, age: str, adopt: str, origin: Callable[[str], str | None]) -> str:
    try:
        age_file.parse(ciphertext)
    except ValueError as error:
        return f"{age} is damaged: {error}; restore it from git"
    other = origin(seen)
    if other is not None:
        return f"{age} is a copy of {other}.age, another secret: restore it from git"
    return (
        f"{age} is not the file its sidecar describes: if you edited or rekeyed it, {adopt} checks and takes it over; "
        "if not, restore it from git"
    )


def _shown(inputs: Inputs) -> str:
    return ", ".join(f"{key} {value}" for key, value in sorted(inputs.items()))


def _broken_lines(group: Sequence[Wanted], kept: Mapping[str, Sidecar], missing: set[str], directory: str) -> Iterator[str]:
    """Children whose parent is gone or is not the one they were made from."""
    for item in group:
        if item.kind not in kept:
            continue
        child = kept[item.kind]
        for kind, secret in item.parents.items():
            update = f"`just supabase-update-secret {item.instance} {kind}`"
            if kind in missing:
                yield (
                    f"{directory}/{secret}.age is missing, but {item.secret}.age was made from it and is there: restore "
                    f"{secret}.age and {secret}.json from git; if they are lost for good, {update} makes both anew"
                )
            elif kind in kept and child.parents.get(kind) != kept[kind].id:
                yield (
                    f"{directory}/{item.secret}.age was made from another {kind} ({child.parents.get(kind, 'unknown')}) than "
                    f"{secret}.age holds ({kept[kind].id}): restore both from one commit, or "
                    f"`just supabase-adopt {item.instance}` checks them against each other"
                )


def _actions(
    group: Sequence[Wanted], kept: Mapping[str, Sidecar], missing: set[str], stored: Mapping[str, Stored]
) -> Iterator[Action]:
    for item in group:
        parents = ", ".join(item.parents.values())
        if item.kind in kept:
            if (present := kept[item.kind]).recipients != item.recipients:
                added = len(set(item.recipients) - set(present.recipients))
                removed = len(set(present.recipients) - set(item.recipients))
                detail = f"recipients: {added} added, {removed} removed"
                yield Action("re-encrypt", item, (item.secret,), present, detail)
            continue
        opens = tuple(secret for kind, secret in item.parents.items() if kind in kept)
        new = item.kind in missing or stored[item.secret].ciphertext is None
        detail = f"derived from {parents}" if parents else ""
        if item.generation:
            detail = "waits for its turn"
        yield Action("create" if new else "update", item, opens, None, detail)
