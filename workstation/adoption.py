"""Taking over secrets that a person edited or rekeyed with the agenix CLI: opened, checked, described anew."""

from collections.abc import Mapping
from contextlib import suppress

from desired import age_file
from desired.changes import Change
from desired.errors import SecretStop
from desired.estate import Host
from desired.generators import GENERATORS
from desired.instance import Instance
from desired.secret_plan import PREVIOUS, Stored, Wanted, anew, judged, wanted
from desired.secret_value import line, material
from desired.sidecar import Sidecar, digest, parse, time_text
from workstation import age, clock, journal, rules
from workstation.making import Making
from workstation.secret_files import SecretFiles


def adopt(files: SecretFiles, host: Host, instance: Instance) -> tuple[Change, ...]:
    """Write the sidecars of secrets changed by hand; () when there is nothing to take over. Opens what was changed.

    What was derived from a changed secret, and was not changed itself, is made anew from it. A file for other recipients
    than group_data's, or not ASCII-armored, is re-encrypted. Raises SecretStop when a value is not of its kind, does not
    belong to its parent, belongs to another instance, or cannot be opened; then nothing is written. What a person has yet to
    give gets its agenix rule, so that `agenix -e` can make it.
    """
    with files.writing():
        journal.complete(files.directory, instance.name)
        items = wanted(host, [instance])
        stored = {item.secret: files.stored(item.secret, {}) for item in items}
        changes: list[Change] = []
        written: dict[str, bytes] = {}
        awaited: dict[str, tuple[str, ...]] = {}
        for generation in ("", *instance.generations):
            adoption = _Adoption(files, stored)
            mine = [item for item in items if item.generation == generation]
            changes += [change for item in mine for change in adoption.take(item)]
            written |= adoption.making.written
            awaited |= {item.secret: item.recipients for item in mine if item.kind in adoption.awaited}
        if written:
            journal.write(files.directory, instance.name, written)
        changes += rules.plan(files.directory, files.secrets_dir, awaited).changes
        if changes:
            files.write_rules(awaited)
    return tuple(changes)


class _Adoption:
    def __init__(self, files: SecretFiles, stored: Mapping[str, Stored]) -> None:
        self.files, self.stored = files, stored
        self.making = Making(files, stored, {})
        self.missing: set[str] = set()

    @property
    def awaited(self) -> set[str]:
        """The kinds that a person has yet to give."""
        return {kind for kind in self.missing if GENERATORS[kind].make is None}

    def take(self, item: Wanted) -> list[Change]:
        """One secret, its parents having been taken before."""
        present = self.stored[item.secret]
        if present.ciphertext is None:
            self.missing.add(item.kind)
            if present.sidecar is None:
                return []
        for kind, secret in item.parents.items():
            if kind in self.missing:
                raise SecretStop(
                    f"{self.files.shown(secret)} is missing, but {item.secret}.age is made from it: restore it from git"
                )
        result = judged(item, present, self.files.secrets_dir, self.files.origin)
        if isinstance(result, Sidecar):
            self.making.sidecars[item.kind] = result
            if all(result.parents.get(kind) == self.making.sidecars[kind].id for kind in item.parents):
                return []
            return self._derived(item, result, present.ciphertext or b"")
        if present.ciphertext is None:
            raise SecretStop(result)
        return self._changed(item, present.ciphertext)

    def _changed(self, item: Wanted, ciphertext: bytes) -> list[Change]:
        name = self.files.shown(item.secret)
        try:
            form = age_file.parse(ciphertext)
        except ValueError as error:
            raise SecretStop(f"{name} is damaged: {error}; restore it from git") from None
        other = self.files.origin(digest(ciphertext))
        if other not in (None, item.secret):
            raise SecretStop(f"{name} is a copy of {other}.age, another secret: restore it from git")
        value = self.making.value(item.kind, item.secret)
        fault = self._fault(item, value)
        if fault is not None:
            given = GENERATORS[item.kind].make is None
            raise SecretStop(
                f"{name} is not usable: {fault}; correct it with `agenix -e {item.secret}.age`, or restore it from git"
                + ("" if given else f"; or {anew(item, self.files.secrets_dir)}")
            )
        self.files.refuse_shared(item, value)
        if form.armored and form.tags == age_file.tags(item.recipients):
            change = Change(item.instance, "update", f"{item.secret}.json", "adopted")
        else:
            ciphertext = age.encrypt(line(value), item.recipients)
            change = Change(item.instance, "re-encrypt", f"{item.secret}.age", "adopted; for the recipients of group_data")
        self.making.keep(item, value, ciphertext, *self._before(item))
        return [change]

    def _derived(self, item: Wanted, sidecar: Sidecar, ciphertext: bytes) -> list[Change]:
        """A child that nobody changed, of a parent that somebody did."""
        value = self.making.value(item.kind, item.secret)
        if self._fault(item, value) is None:
            self.making.keep(item, value, ciphertext, sidecar.created, sidecar.state)
            return [Change(item.instance, "update", f"{item.secret}.json", "adopted")]
        if not item.made:
            parents = ", ".join(item.parents.values())
            raise SecretStop(f"{self.files.shown(item.secret)} does not belong to {parents}.age: restore both from git")
        self.making.make(item)
        return [
            Change(
                item.instance,
                "update",
                f"{item.secret}.age",
                f"derived from {', '.join(item.parents.values())}",
            )
        ]

    def _fault(self, item: Wanted, value: str) -> str | None:
        parents = {kind: self.making.value(kind, secret) for kind, secret in item.parents.items()}
        return GENERATORS[item.kind].fault(value, material(item, parents, b"", clock.now()))

    def _before(self, item: Wanted) -> tuple[str, str | None]:
        """When the secret was made, and the state that its sidecar has. Of an old generation only that tells its date."""
        with suppress(ValueError):
            sidecar = parse(self.stored[item.secret].sidecar or b"")
            return sidecar.created, sidecar.state
        if item.generation == PREVIOUS:
            raise SecretStop(
                f"{self.files.shown(item.secret)} has no sidecar that tells until when it is accepted: restore that from git, or "
                f"`just supabase-rotate-secrets {item.instance} --retire-now` ends it"
            )
        return time_text(clock.now()), None
