"""New values and new ciphertexts of one instance: in memory only, as file name to content."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from desired.generators import GENERATORS
from desired.secret_plan import Action, Stored, Wanted
from desired.secret_value import ID_BYTES, describe, line, material
from desired.sidecar import Sidecar, digest, render, time_text
from workstation import age, clock, randomness
from workstation.secret_files import SecretFiles


@dataclass
class Making:
    """`stored`: the files by secret name; `sidecars`: by kind, of what is settled; it grows as secrets are made. `given`: the
    values of kinds that a person gives."""

    files: SecretFiles
    stored: Mapping[str, Stored]
    sidecars: dict[str, Sidecar]
    given: Mapping[str, str] = field(default_factory=dict, repr=False)
    written: dict[str, bytes] = field(default_factory=dict)
    _values: dict[str, str] = field(default_factory=dict, repr=False)

    def carry_out(self, actions: Sequence[Action]) -> dict[str, bytes]:
        """The new files. Raises SecretStop when a parent or a file to re-encrypt cannot be opened."""
        for action in actions:
            if action.sidecar is None:
                self.make(action.wanted)
            else:
                self._re_encrypt(action.wanted, action.sidecar)
        return self.written

    def make(self, item: Wanted) -> None:
        """A new value, from the parents as they now are."""
        generator, now = GENERATORS[item.kind], clock.now()
        if item.kind in self.given and not item.generation:
            value = self.given[item.kind]
        else:
            assert generator.make, "the plan asks for what only a person can give"
            parents = {kind: self.value(kind, secret) for kind, secret in item.parents.items()}
            value = generator.make(material(item, parents, randomness.entropy(generator.entropy), now))
        self.keep(item, value, age.encrypt(line(value), item.recipients), time_text(now))

    def keep(self, item: Wanted, value: str, ciphertext: bytes, created: str, state: str | None = None) -> None:
        """A value with its file, described anew; `state` when it is not that of a new value."""
        parents = {kind: self.sidecars[kind].id for kind in item.parents}
        identity = randomness.entropy(ID_BYTES)
        state = state or ("next" if item.generation else "current")
        sidecar = describe(item, value, ciphertext, parents=parents, random_id=identity, created=created, state=state)
        self._values[item.kind] = value
        self._write(item, ciphertext, sidecar)

    def value(self, kind: str, secret: str) -> str:
        """The plaintext of a kind: made just now, or opened once."""
        if kind not in self._values:
            sidecar, ciphertext = self.sidecars.get(kind), self.stored[secret].ciphertext
            recipients = sidecar.recipients if sidecar else ()
            lines = GENERATORS[kind].lines
            self._values[kind] = self.files.value(secret, ciphertext or b"", recipients, lines=lines)
        return self._values[kind]

    def _re_encrypt(self, item: Wanted, sidecar: Sidecar) -> None:
        """The same bytes for other recipients."""
        ciphertext = self.stored[item.secret].ciphertext or b""
        plaintext = self.files.decrypted(item.secret, ciphertext, sidecar.recipients)
        renewed = age.encrypt(plaintext, item.recipients)
        self._write(item, renewed, replace(sidecar, recipients=item.recipients, ciphertext=digest(renewed)))

    def _write(self, item: Wanted, ciphertext: bytes, sidecar: Sidecar) -> None:
        self.sidecars[item.kind] = sidecar
        self.written |= {f"{item.secret}.age": ciphertext, f"{item.secret}.json": render(sidecar)}
