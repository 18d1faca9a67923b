"""What a NixOS host runs: one command."""

from pyinfra.api.facts import FactBase

from desired.host_state import HostState, parse_state
from facts.script import script_text


class RunningSystem(FactBase[HostState]):
    """Systems, revisions, the way back, markers and units. A host that is no NixOS gives a state with nixos=False."""

    def command(self) -> str:
        return script_text("observe")

    @staticmethod
    def default() -> HostState:
        return parse_state(())

    def process(self, output: list[str]) -> HostState:
        return parse_state(output)
