"""The secrets of the user's project: what is there, what a run would change, and changing it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from desired.changes import Change
from desired.errors import SecretStop
from desired.estate import Host
from desired.instance import Instance
from desired.secret_plan import Outcome, Stored, plan, wanted
from desired.sidecar import Sidecar
from workstation import age, files, journal, rules
from workstation.making import Making
from workstation.secret_files import SecretFiles


@dataclass(frozen=True)
class SecretPlan:
    """What the secrets of some instances of a host are and what a run changes. `hint`: a line to print for the user."""

    host: Host
    instances: tuple[Instance, ...]
    renew: frozenset[str]
    stored: Mapping[str, Stored]
    outcome: Outcome
    changes: tuple[Change, ...]
    hint: str | None

    def ciphertext(self, secret: str) -> bytes | None:
        """The .age file as the host is to have it; None while it is pending: made or re-encrypted by this run."""
        pending = any(action.wanted.secret == secret for action in self.outcome.actions)
        return None if pending else self.stored[secret].ciphertext

    def digest(self, secret: str) -> str | None:
        """sha256 hex of the value, of kinds that the host compares; None for others and while the value is pending."""
        sidecar = self.outcome.sidecars.get(secret)
        return sidecar.digest if sidecar else None


@dataclass(frozen=True)
class SecretStore(SecretFiles):
    """The verbs on the secrets directory."""

    def plan(self, host: Host, instances: Sequence[Instance], renew: frozenset[str] = frozenset()) -> SecretPlan:
        """What `apply` would do; writes nothing and uses no private key. `renew`: kinds to replace in each instance.

        Raises SecretStop for every state that no run of ours leaves, and when the identity that `apply` needs is not
        there or not a recipient.
        """
        with self.reading():
            items = wanted(host, instances)
            pending = {instance.name: journal.pending(self.directory, instance.name) for instance in instances}
            stored = {item.secret: self.stored(item.secret, pending[item.instance]) for item in items}
            outcome = plan(items, stored, self.secrets_dir, renew, self.origin)
            self._check_identity(outcome)
            agenix = rules.plan(self.directory, self.secrets_dir, {item.secret: item.recipients for item in items})
            finished = [change for name, group in pending.items() for change in self._finished(name, group)]
        changes = (*finished, *(action.change() for action in outcome.actions), *agenix.changes)
        return SecretPlan(host, tuple(instances), renew, stored, outcome, changes, agenix.hint)

    def apply(self, planned: SecretPlan) -> SecretPlan:
        """Make and write what was planned, under the project lock, instance by instance; gives the plan of what is then there.

        Killed or failing anywhere, every instance has its old files, its new files, or a journal that the next run completes.
        Raises Busy, and SecretStop when the files are no longer as planned, cannot be opened or cannot be written.
        """
        if not planned.changes:
            return planned
        with self.writing():
            for instance in planned.instances:
                journal.complete(self.directory, instance.name)
            now = self.plan(planned.host, planned.instances, planned.renew)
            if now.stored != planned.stored or now.outcome.actions != planned.outcome.actions:
                raise SecretStop(f"{self.secrets_dir}/ has changed since this run planned; nothing was made; run again")
            for instance in planned.instances:
                actions = [action for action in now.outcome.actions if action.wanted.instance == instance.name]
                if actions:
                    settled = {side.kind: side for side in now.outcome.sidecars.values() if side.instance == instance.name}
                    group = Making(self, now.stored, settled).carry_out(actions)
                    journal.write(self.directory, instance.name, group)
            self.write_rules()
        return self.plan(planned.host, planned.instances)

    def adopt(self, host: Host, instance: Instance) -> tuple[Change, ...]:
        """Take over what a person edited or rekeyed with the agenix CLI: see `workstation.adoption.adopt`."""
        from workstation import adoption  # a run that adopts nothing need not load it

        return adoption.adopt(self, host, instance)

    def sidecars(self) -> tuple[Sidecar, ...]:
        """Every sidecar that is present, by secret name: those of instances nobody wants any more too."""
        with self.reading():
            return tuple(sidecar for sidecar in self.present().values() if sidecar is not None)

    def open(self, secret: str) -> str:
        """The value of a stored secret, with the operator's identity. Raises SecretStop."""
        with self.reading():
            ciphertext = files.read(self.directory / f"{secret}.age")
            if ciphertext is None:
                raise SecretStop(f"{self.shown(secret)} is missing; a run makes it, or restore it from git")
            return self.value(secret, ciphertext, lines=True)

    def _finished(self, instance: str, group: Mapping[str, bytes]) -> Iterator[Change]:
        """What is left of a killed run: files to put in place, at least its journal to remove."""
        left = "left by an interrupted run"
        if journal.undecided(self.directory, instance) or (
            group and all(files.read(self.directory / name) == content for name, content in group.items())
        ):
            yield Change(instance, "remove", journal.file(instance), left)
        for name, content in sorted(group.items()):
            present = files.read(self.directory / name)
            if present != content:
                yield Change(instance, "create" if present is None else "update", name, left)

    def _check_identity(self, outcome: Outcome) -> None:
        """Say before anything happens that a private key is needed and is not the right one."""
        for action in outcome.actions:
            for secret in action.opens:
                why = f"{self.shown(secret)} must be opened to {action.verb} {action.wanted.secret}.age"
                if not self.identity_file.is_file():
                    raise SecretStop(
                        f"{why}, and there is no identity {self.identity_file}: set `identity` in group_data to an operator's "
                        "private SSH key"
                    )
                key, recipients = age.public_key(self.identity_file), outcome.sidecars[secret].recipients
                if key is not None and key not in recipients:
                    raise SecretStop(f"{why}: {age.not_for(self.shown(secret), self.identity_file, recipients)}")
