"""Which images a host has: one command, whatever the number of instances."""

from pyinfra.api.facts import FactBase

from facts.script import script_text


class Images(FactBase[frozenset[str]]):
    """Those of `references` that containers would find. None where there is no podman yet."""

    def command(self, references: tuple[str, ...]) -> str:
        return script_text("images", args=references)

    @staticmethod
    def default() -> frozenset[str]:
        return frozenset()

    def process(self, output: list[str]) -> frozenset[str]:
        return frozenset(line.removeprefix("image ") for line in output if line.startswith("image "))
