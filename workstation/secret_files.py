"""The secrets directory of the user's project, file by file."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from desired.errors import SecretStop
from desired.generators import GENERATORS
from desired.instance import OVERLAPPING, Instance
from desired.names import GENERATIONS
from desired.rotation import Standing, accepted_until
from desired.secret_plan import NEXT, PREVIOUS, Stored, Wanted
from desired.secret_value import value_of
from desired.sidecar import Sidecar, parse
from workstation import age, files, journal, lock, rules


def overlapping_names(instance: Instance) -> list[str]:
    """The secrets of an instance that may be there beside its current ones."""
    return [instance.secrets[kind] + ending for kind in OVERLAPPING for ending in GENERATIONS]


@dataclass(frozen=True)
class SecretFiles:
    """`secrets_dir` and `identity` as in group_data; relative ones start at the project directory."""

    project: Path
    secrets_dir: str = "secrets"
    identity: str = "~/.ssh/id_ed25519"

    @cached_property
    def directory(self) -> Path:
        return self.project / Path(self.secrets_dir).expanduser()

    @property
    def identity_file(self) -> Path:
        return self.project / Path(self.identity).expanduser()

    def shown(self, secret: str) -> str:
        """How messages name a secret's file."""
        return f"{self.secrets_dir}/{secret}.age"

    def stored(self, secret: str, pending: journal.Group) -> Stored:
        """Both files of a secret; what a killed run decided on (`pending`) counts as done."""
        return Stored(self._read(f"{secret}.age", pending), self._read(f"{secret}.json", pending))

    def _read(self, name: str, pending: journal.Group) -> bytes | None:
        # Text, not pathlib: this is done for every secret of every instance in every run.
        return pending[name] if name in pending else files.read(f"{self.directory}/{name}")

    def standings(self, instances: Iterable[Instance]) -> dict[str, Standing]:
        """How far the rotation of each instance is, as far as its files tell: what is wrong with them, a plan says."""
        try:
            listed = set(os.listdir(self.directory))
        except FileNotFoundError:
            listed = set()
        return {instance.name: self._standing(instance, listed) for instance in instances}

    def _standing(self, instance: Instance, listed: set[str]) -> Standing:
        group: journal.Group = {}
        if journal.file(instance.name) in listed:
            with suppress(SecretStop):
                group = journal.pending(self.directory, instance.name)
        there = (listed - group.keys()) | {name for name, content in group.items() if content is not None}
        found = [name for name in overlapping_names(instance) if f"{name}.age" in there or f"{name}.json" in there]
        ends = [accepted_until(sidecar) for name in found if (sidecar := self._sidecar(name, group)) is not None]
        return Standing(
            following=any(name.endswith(NEXT) for name in found),
            previous=any(name.endswith(PREVIOUS) for name in found),
            until=max((end for end in ends if end is not None), default=None),
        )

    def _sidecar(self, secret: str, pending: journal.Group) -> Sidecar | None:
        with suppress(ValueError):
            return parse(self._read(f"{secret}.json", pending) or b"")
        return None

    def present(self) -> dict[str, Sidecar | None]:
        """Secret name to sidecar of every JSON file, orphans too; None for one that is damaged or none of ours."""
        result: dict[str, Sidecar | None] = {}
        for path in sorted(self.directory.glob("[!.]*.json")):
            try:
                sidecar = parse(path.read_bytes())
                result[path.stem] = sidecar if sidecar.secret == path.stem else None
            except ValueError:
                result[path.stem] = None
        return result

    def origin(self, ciphertext_digest: str) -> str | None:
        """The secret whose sidecar describes this ciphertext."""
        sidecars = [sidecar for sidecar in self.present().values() if sidecar is not None]
        return next((sidecar.secret for sidecar in sidecars if sidecar.ciphertext == ciphertext_digest), None)

    def refuse_shared(self, item: Wanted, value: str) -> None:
        """Two instances with one signing secret accept each other's keys. Raises SecretStop."""
        identify = GENERATORS[item.kind].identify
        if identify is None:
            return
        own = identify(value)
        for sidecar in self.present().values():
            if sidecar is not None and sidecar.id == own and sidecar.secret != item.secret:
                raise SecretStop(
                    f"{self.shown(item.secret)} holds the same value as {sidecar.secret}.age; every secret needs one of "
                    "its own: restore it from git"
                )

    def decrypted(self, secret: str, ciphertext: bytes, recipients: Sequence[str] = ()) -> bytes:
        """The plaintext of a secret's file, with the operator's identity. Raises SecretStop."""
        return age.decrypt(ciphertext, self.identity_file, file=self.shown(secret), recipients=recipients)

    def value(self, secret: str, ciphertext: bytes, recipients: Sequence[str] = (), *, lines: bool = False) -> str:
        """The text in a secret's file: one line, if not `lines`. Raises SecretStop."""
        try:
            return value_of(self.decrypted(secret, ciphertext, recipients), lines=lines)
        except ValueError as error:
            raise SecretStop(f"{self.shown(secret)} is not usable: {error}; correct it with `agenix -e {secret}.age`") from None

    def write_rules(self, awaited: Mapping[str, Sequence[str]] = {}) -> None:
        """Bring the agenix rules in line with the sidecars that are present; `awaited` (name to recipients) have none yet."""
        present = self.present()
        readable = {**awaited, **{name: sidecar.recipients for name, sidecar in present.items() if sidecar is not None}}
        rules.write(self.directory, readable, [name for name in present if name not in readable])

    @contextmanager
    def reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise SecretStop(f"{error.filename or self.directory}: {error.strerror}") from None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Under the project lock, in a directory that exists."""
        lock.hold(self.project)
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            yield
        except OSError as error:
            raise SecretStop(
                f"{self.secrets_dir}/ could not be written: {error.strerror}; no file is half-written, nothing is lost: "
                "once that is mended, the next run goes on from here"
            ) from None
