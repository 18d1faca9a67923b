"""The secrets directory of the user's project, file by file."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from desired.errors import SecretStop
from desired.secret_plan import Stored
from desired.secret_value import value_of
from desired.sidecar import Sidecar, parse
from workstation import age, files, lock, rules


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

    def stored(self, secret: str, pending: Mapping[str, bytes]) -> Stored:
        """Both files of a secret; what a killed run decided on (`pending`: file name to content) counts as written."""
        age_name, json_name = f"{secret}.age", f"{secret}.json"
        # Text, not pathlib: this is done for every secret of every instance in every run.
        return Stored(
            pending.get(age_name) or files.read(f"{self.directory}/{age_name}"),
            pending.get(json_name) or files.read(f"{self.directory}/{json_name}"),
        )

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
