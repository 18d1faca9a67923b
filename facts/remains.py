"""What is left of one instance on a host, beside its units and PostgreSQL: one command."""

from dataclasses import dataclass

from pyinfra.api.facts import FactBase

from facts.script import script_text


@dataclass(frozen=True)
class Left:
    """`marker`: its units may start. `users`: on the host."""

    directories: tuple[str, ...] = ()
    marker: bool = False
    users: tuple[str, ...] = ()


class Remains(FactBase[Left]):
    """`Left` of an instance, whoever names it."""

    def command(self, instance: str) -> str:
        return script_text("remains", args=(instance,))

    @staticmethod
    def default() -> Left:
        return Left()

    def process(self, output: list[str]) -> Left:
        lines = [line.split(" ", 1) for line in output]
        found = {kind: tuple(line[1] for line in lines if line[0] == kind) for kind in ("directory", "user")}
        return Left(found["directory"], ["marker"] in lines, found["user"])
