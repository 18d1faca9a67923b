"""Attempts of one instance against another, as data: made from the cross product of who tries and what there is."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from tests.attack_sql import Sql
from tests.host import Machine

#: The program that makes the attempts of a Unix user, on the host.
PROBE = "/run/probe.pl"


@dataclass(frozen=True)
class Result:
    """`actor` tried `target` in the way `kind`; `won`: it got in."""

    kind: str
    actor: str
    target: str
    won: bool

    def __str__(self) -> str:
        return f"{self.actor}: {self.kind} {self.target}"


@dataclass
class Tally:
    """Everything that was tried. `controls`: the same from where it must succeed."""

    attempts: list[Result] = field(default_factory=list)
    controls: list[Result] = field(default_factory=list)

    def add(self, attempts: Iterable[Result], controls: Iterable[Result]) -> None:
        """Nobody got in, and each kind of attempt is one that can succeed."""
        made, proved = list(attempts), list(controls)
        self.attempts += made
        self.controls += proved
        assert not (wins := [str(result) for result in made if result.won]), f"{len(wins)} successes: {wins[:40]}"
        assert not (lost := [str(result) for result in proved if not result.won]), f"controls without success: {lost[:40]}"
        assert {result.kind for result in made} <= (known := {result.kind for result in proved}), (
            f"no control: { ({result.kind for result in made} - known) }"
        )

    def table(self) -> str:
        """A line for each kind."""
        tried, proved = (Counter(result.kind for result in results) for results in (self.attempts, self.controls))
        won = Counter(result.kind for result in self.attempts if result.won)
        lines = [f"{kind:42} {count:6} {won[kind]:9} {proved[kind]:8}" for kind, count in sorted(tried.items())]
        total = f"{'total':42} {len(self.attempts):6} {sum(won.values()):9} {len(self.controls):8}"
        return "\n".join([f"{'kind':42} {'tries':>6} successes controls", *lines, total])


@dataclass(frozen=True)
class Actor:
    """A Unix user; `groups`: beyond its own, as its unit gives them; `namespace`: its network, empty for the host's."""

    user: str
    groups: tuple[str, ...] = ()
    namespace: str = ""

    def __str__(self) -> str:
        return f"{self.user} in {self.namespace}" if self.namespace else self.user

    @property
    def command(self) -> str:
        """Shell text before a command of this actor."""
        inside = f"ip netns exec {self.namespace} " if self.namespace else ""
        groups = f"--groups={','.join(self.groups)}" if self.groups else "--clear-groups"
        return f"{inside}setpriv --reuid={self.user} --regid={self.user} {groups}"


def probe(machine: Machine, actors: Mapping[Actor, Sequence[str]], mark: str = "") -> list[Result]:
    """Each actor's lines (see probe.pl), two actors at a time, in one command."""
    jobs = [(f"{actor.command} perl {PROBE} '{mark}'", "".join(f"{line}\n" for line in lines)) for actor, lines in actors.items()]
    found = []
    for (actor, lines), output in zip(actors.items(), _run(machine, jobs), strict=True):
        answers = [line.rsplit(" ", 1) for line in output.splitlines()]
        assert [line for line, _ in answers] == list(lines), f"{actor}: {len(lines)} attempts, {len(answers)} answers"
        found += [Result(line.split()[0], str(actor), line.partition(" ")[2], won == "1") for line, won in answers]
    return found


def _run(machine: Machine, jobs: Sequence[tuple[str, str]]) -> list[str]:
    """What each command prints, given its text on stdin: three at a time, all in one command of the machine."""
    files = [f"cat > {number}.in <<'END-OF-INPUT'\n{text}END-OF-INPUT" for number, (_, text) in enumerate(jobs)]
    commands = [f"{command} < {number}.in > {number}.out 2> {number}.err" for number, (command, _) in enumerate(jobs)]
    script = [
        "d=$(mktemp -d); chmod 755 $d; cd $d",
        *files,
        "xargs -d '\\n' -P 3 -n 1 bash -c <<'END-OF-JOBS'",
        *commands,
        "END-OF-JOBS",
        f'for number in {" ".join(map(str, range(len(jobs))))}; do cat $number.out; printf "\\0"; done; rm -rf $d',
    ]
    return machine.run("bash -s", stdin="\n".join(script), timeout=180).stdout.split("\0")[:-1]


@dataclass(frozen=True)
class Login:
    """A session: `command` is shell text that runs psql with the statements of its stdin; `role`: what it then sets, if any."""

    name: str
    command: str
    role: str = ""

    def __str__(self) -> str:
        return f"{self.name} as {self.role}" if self.role else self.name


def sessions(machine: Machine, tries: Mapping[Login, Sequence[Sql]], undo: bool = False) -> list[Result]:
    """Each session's attempts. `undo`: they are controls, which leave nothing behind."""
    jobs = [(login.command, _script(attempts, login.role, undo)) for login, attempts in tries.items()]
    found: list[Result] = []
    for (login, attempts), output in zip(tries.items(), _run(machine, jobs), strict=True):
        found += _judged(attempts, str(login), output)
    return found


def _script(attempts: Sequence[Sql], role: str, undo: bool) -> str:
    """The statements of one session, and after each attempt whether psql calls it an error."""
    lines = ["\\set VERBOSITY terse"]
    for number, one in enumerate(attempts):
        begin, end = ("", f"{one.undo};" if undo and one.undo else "") if one.whole else ("BEGIN;", "ROLLBACK;")
        lines += [f"\\echo @ {number}", f"SET ROLE {role};" if role else "", begin, f"{one.text};", "\\echo = :ERROR", end]
        lines.append("RESET SESSION AUTHORIZATION; RESET ROLE;")
    return "\n".join(lines) + "\n"


def _judged(attempts: Sequence[Sql], actor: str, output: str) -> list[Result]:
    found = []
    for block in output.split("@ ")[1:]:
        number, _, rest = block.partition("\n")
        said, _, error = rest.partition("= ")
        one = attempts[int(number)]
        yes = said.split()[-1:] == ["t"] if one.asks else True
        found.append(Result(f"sql: {one.kind}", actor, " ".join(one.text.split()), error.startswith("false") and yes))
    assert len(found) == len(attempts), f"{actor}: {len(attempts)} attempts, {len(found)} answers: {output[-500:]}"
    return found


def crossed(kind: str, *parts: Iterable[object]) -> list[str]:
    """Lines for the probe."""
    return [" ".join([kind, *map(str, words)]) for words in product(*parts)]
