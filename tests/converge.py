"""The converge every end-to-end test makes: announced by a dry run, made, and then nothing is left to do."""

import re
import time
from dataclasses import dataclass, fields

from tests.host import Machine
from tests.project import Project, Run
from tests.seen import Seen, look, made


@dataclass(frozen=True)
class Checked:
    """`kinds`: what was announced and made, without details; `seconds`: of the run that made it."""

    dry: Run
    real: Run
    before: Seen
    after: Seen
    seconds: float

    @property
    def kinds(self) -> set[str]:
        return kinds(self.real)

    def units_changed(self) -> set[str]:
        """The units that are no longer the same start of the same process."""
        names = {*self.before.units, *self.after.units}
        return {name for name in names if self.before.units.get(name) != self.after.units.get(name)}


def kinds(run: Run) -> set[str]:
    """The announced changes without their details in brackets."""
    return {re.sub(r" \(.*\)$", "", change) for change in run.changes}


def differences(before: Seen, after: Seen) -> dict[str, object]:
    """What differs between two looks; for a failing assertion. Digests only, never a value."""
    found: dict[str, object] = {}
    for field in fields(Seen):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            found[field.name] = {key: (old.get(key), new.get(key)) for key in {*old, *new} if old.get(key) != new.get(key)}
        else:
            found[field.name] = old ^ new if isinstance(old, frozenset) else (old, new)
    return found


def converge_checked(
    project: Project, machine: Machine, *arguments: str, prompted: bool = False, script: str = "deploy.py"
) -> Checked:
    """Converge, or run another deploy file that is no less safe to run twice, having checked that

    - the dry run before writes nothing, and announces what the real run announces;
    - that is what an observer of the machine and the project sees happen, no more and no less;
    - a run after it changes nothing: not a file, not a unit, not a role.

    `prompted`: the run shows its plan and is told to go on, instead of being started with -y.
    """
    before = look(project, machine)
    dry = project.dry("--diff", *arguments, script=script)
    assert dry.status == 0, dry.output
    _same(before, look(project, machine), "the dry run wrote something")
    start = time.monotonic()
    real = (
        project.pyinfra(*arguments, script=script, stdin="\n") if prompted else project.converge(*arguments, script=script)
    )
    seconds = time.monotonic() - start
    assert real.status == 0, real.output
    after = look(project, machine)
    assert set(real.changes) == set(dry.changes), f"announced by one run only: {set(real.changes) ^ set(dry.changes)}"
    told, seen = kinds(real), made(before, after)
    assert told == seen, f"announced, not made: {sorted(told - seen)}; made, not announced: {sorted(seen - told)}"
    again = project.converge(*arguments, script=script)
    assert again.unchanged, again.output
    _same(after, look(project, machine), "the second run changed something")
    return Checked(dry, real, before, after, seconds)


def _same(before: Seen, after: Seen, message: str) -> None:
    found = differences(before, after)
    assert not found, f"{message}: {found}"
