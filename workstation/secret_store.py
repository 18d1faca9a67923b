"""The secrets of the user's project: what is there, what a run would change, and changing it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from desired.changes import Change
from desired.errors import SecretStop
from desired.estate import Host
from desired.generators import GENERATORS
from desired.instance import OVERLAPPING, Instance
from desired.names import GENERATIONS
from desired.renewal import NOTHING, Renewal
from desired.rotation import Moves, Standing, move_changes, moves
from desired.secret_plan import NEXT, PREVIOUS, Outcome, Stored, Wanted, generation_of, plan, wanted
from desired.secret_value import material
from desired.sidecar import Sidecar
from workstation import age, clock, files, journal, rules
from workstation.making import Making
from workstation.secret_files import SecretFiles, overlapping_names


@dataclass(frozen=True)
class SecretPlan:
    """What the secrets of some instances of a host are and what a run changes. `hint`: a line to print for the user.

    `found`: the files as they are, `stored`: after `moves` (instance to what is renamed or removed)."""

    host: Host
    instances: tuple[Instance, ...]
    renewal: Renewal
    found: Mapping[str, Stored]
    stored: Mapping[str, Stored]
    moves: Mapping[str, Moves]
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

    def rotating(
        self,
        instances: Sequence[Instance],
        renewal: Renewal = NOTHING,
        serves: Callable[[str, str], bool] = lambda secret, instance: True,
    ) -> tuple[Instance, ...]:
        """The instances with the generations that such a run leaves them, whether it has done its part or not.

        `serves`: whether the host runs with a secret of an instance. An old generation stays until it does: the new one has
        to overlap with it there, not only here."""
        now, standings = clock.now(), self.standings(instances)

        def left(item: Instance) -> tuple[str, ...]:
            standing = standings[item.name]
            generations = standing.after(renewal.stage, now)
            if standing.previous and PREVIOUS not in generations and not serves(item.secrets["jwt"] + PREVIOUS, item.name):
                return (*generations, PREVIOUS)
            return generations

        return tuple(replace(item, generations=left(item)) for item in instances)

    def plan(self, host: Host, instances: Sequence[Instance], renewal: Renewal = NOTHING) -> SecretPlan:
        """What `apply` would do; writes nothing and uses no private key. `instances`: with the generations they are to have
        in the end.

        Raises SecretStop for every state that no run of ours leaves, for a given value that is not of its kind, and when the
        identity that `apply` needs is not there or not a recipient.
        """
        with self.reading():
            items = wanted(host, instances)
            pending = {instance.name: journal.pending(self.directory, instance.name) for instance in instances}
            found = {item.secret: self.stored(item.secret, pending[item.instance]) for item in items}
            moved: dict[str, Moves] = {}
            renew: set[str] = set()
            changes = [change for name, group in pending.items() for change in self._finished(name, group)]
            standings = self.standings(instances)
            for instance in instances:
                if renewal.stage == "start":
                    _refuse_restart(instance, standings[instance.name])
                if instance.generations or standings[instance.name] != Standing() or renewal.stage:
                    found |= {name: self.stored(name, pending[instance.name]) for name in overlapping_names(instance)}
                    until = clock.now() + timedelta(hours=renewal.hours)
                    moved[instance.name] = moves(instance, found, renewal.stage, until)
                    changes += move_changes(instance, moved[instance.name], renewal.stage, renewal.hours)
                renew |= renewal.renewed(instance)
                renew |= {kind for kind in OVERLAPPING if renewal.stage == "switch" and _absent(found, instance, kind)}
            self._check_given(items, renewal)
            stored = _moved(found, moved)
            outcome = plan(items, stored, self.secrets_dir, frozenset(renew), self.origin, renewal.given)
            self._check_identity(outcome)
            readable = {item.secret: item.recipients for item in items}
            gone = [name.removesuffix(".age") for group in moved.values() for name, new in group.items() if new is None]
            agenix = rules.plan(self.directory, self.secrets_dir, readable, gone)
        told = {change.what for change in changes}
        changes += [action.change() for action in outcome.actions if action.change().what not in told]
        return SecretPlan(
            host, tuple(instances), renewal, found, stored, moved, outcome, (*changes, *agenix.changes), agenix.hint
        )

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
            now = self.plan(planned.host, planned.instances, planned.renewal)
            if now.found != planned.found or now.outcome.actions != planned.outcome.actions:
                raise SecretStop(f"{self.secrets_dir}/ has changed since this run planned; nothing was made; run again")
            for instance in planned.instances:
                group = dict(now.moves.get(instance.name, {}))
                for generation in ("", *GENERATIONS):
                    group |= self._made(now, instance, generation)
                if group:
                    journal.write(self.directory, instance.name, group)
            self.write_rules()
        # A rotation that this has taken further is asked about as every run asks.
        return self.plan(planned.host, planned.instances)

    def _made(self, planned: SecretPlan, instance: Instance, generation: str) -> dict[str, bytes]:
        """The new files of one generation, file name to content."""
        mine = (instance.name, generation)
        actions = [item for item in planned.outcome.actions if (item.wanted.instance, item.wanted.generation) == mine]
        sidecars = planned.outcome.sidecars.values()
        settled = {side.kind: side for side in sidecars if (side.instance, generation_of(side)) == mine}
        return Making(self, planned.stored, settled, planned.renewal.given).carry_out(actions)

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

    def _finished(self, instance: str, group: journal.Group) -> Iterator[Change]:
        """What is left of a killed run: files to put in place, at least its journal to remove."""
        left = "left by an interrupted run"
        if journal.undecided(self.directory, instance) or (
            group and all(files.read(self.directory / name) == content for name, content in group.items())
        ):
            yield Change(instance, "remove", journal.file(instance), left)
        for name, content in sorted(group.items()):
            present = files.read(self.directory / name)
            if present != content:
                yield Change(instance, "remove" if content is None else "create" if present is None else "update", name, left)

    def _check_given(self, items: Sequence[Wanted], renewal: Renewal) -> None:
        for item in items:
            value = None if item.generation else renewal.given.get(item.kind)
            if value is None:
                continue
            fault = GENERATORS[item.kind].fault(value, material(item, {}, b"", clock.now()))
            if fault is not None:
                raise SecretStop(f"the value given for {item.secret} is not usable: {fault}; nothing was changed")
            self.refuse_shared(item, value)

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


def _refuse_restart(instance: Instance, standing: Standing) -> None:
    """A rotation that somebody else has finished meanwhile is not begun again: its window would end at once."""
    if standing.previous and not standing.following and not standing.ended(clock.now()):
        raise SecretStop(f"{instance.name}: another run has rotated its secrets meanwhile; nothing was changed")


def _absent(found: Mapping[str, Stored], instance: Instance, kind: str) -> bool:
    """Whether the next generation is yet to be made by an earlier stage of the same run."""
    return found[instance.secrets[kind] + NEXT] == Stored(None, None)


def _moved(found: Mapping[str, Stored], moved: Mapping[str, Moves]) -> dict[str, Stored]:
    """The files after the moves."""
    new = {name: content for group in moved.values() for name, content in group.items()}
    return {
        secret: Stored(new.get(f"{secret}.age", stored.ciphertext), new.get(f"{secret}.json", stored.sidecar))
        for secret, stored in found.items()
    }
