"""What one host told, and what a deploy would change there."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from desired.changes import Change
from desired.cluster_state import Observation
from desired.host_state import HostState
from desired.tree import ObservedTree
from desired.usage import Usage

#: As much of a limit on connections is a problem.
FULL = 0.9


@dataclass(frozen=True)
class Answer:
    """What one host told. `system`: None in the sandbox; `health`: instance and service to `ok` or what else was seen."""

    system: HostState | None
    tree: ObservedTree
    cluster: Observation
    health: Mapping[tuple[str, str], str]
    usage: Usage


@dataclass(frozen=True)
class Pending:
    """What a deploy would change, None where it would stop first; `stops`: with what, by instance, "" for the host."""

    changes: tuple[Change, ...] | None
    stops: Mapping[str, str] = field(default_factory=dict)

    def of(self, instance: str | None) -> tuple[str, ...] | None:
        """The texts for one instance, None for the host itself."""
        if self.changes is None or (instance or "") in self.stops:
            return None
        return tuple(str(change) for change in self.changes if change.instance == instance)
