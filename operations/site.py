"""One host as this run sees it: what is wanted there, and for which instances."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pyinfra.context import host, state

from desired.estate import Host
from desired.host_state import HostState
from desired.instance import Instance
from desired.tree import Tree, wanted_tree
from facts.health import Probe
from facts.host_state import RunningSystem
from workstation import sandbox
from workstation.secret_store import SecretPlan, SecretStore
from workstation.templates import module_files


def project(system: str | None) -> Path:
    """Where the user's state of such hosts lives: secrets, slots and the lock."""
    return sandbox.directory() if system == "sandbox" else Path.cwd()


@dataclass(frozen=True)
class Site:
    """`only` is the instance this run is limited to, or None for all of the host's."""

    host: Host
    only: str | None
    store: SecretStore
    _plans: dict[bool, SecretPlan] = field(default_factory=dict)
    _systems: dict[bool, HostState] = field(default_factory=dict)

    @property
    def project(self) -> Path:
        return project(self.host.data.system)

    @property
    def instances(self) -> tuple[Instance, ...]:
        return tuple(item for item in self.host.instances if self.only in (None, item.name))

    @property
    def enabled(self) -> tuple[Instance, ...]:
        return tuple(item for item in self.instances if item.enable)

    def secrets(self) -> SecretPlan:
        """The secrets as they are and as they must become; read once while planning and once while executing."""
        phase = bool(state.is_executing)
        if phase not in self._plans:
            self._plans[phase] = self.store.plan(self.host, self.instances)
        return self._plans[phase]

    def system(self) -> HostState:
        """What the host runs; read once while planning and once while executing, before this run activates anything.
        That nobody else has changed it since is what the host lock's epoch proves."""
        phase = bool(state.is_executing)
        if phase not in self._systems:
            self._systems[phase] = host.get_fact(RunningSystem)
        return self._systems[phase]

    def make_secrets(self) -> str | None:
        """Write what is missing; gives a line for the user, if there is something left to do by hand."""
        planned = self.secrets()
        self._plans[True] = self.store.apply(planned)
        return planned.hint

    def tree(self) -> Tree:
        """What this run may write on the host."""
        return wanted_tree(self.host, self.instances, module_files(), self.secrets().ciphertext)

    def probes(self) -> tuple[Probe, ...]:
        """What is asked of each enabled instance. Without a REST API its gateway answers 404, which proves it runs."""
        return tuple(
            (item.name, item.port, f"/run/agenix/{item.secrets['service']}", "200" if item.services["rest_api"] else "404")
            for item in self.enabled
        )

    def verifier_digests(self) -> Mapping[str, str | None]:
        """Instance to the sha256 of its SCRAM verifier; None while it is pending."""
        plan = self.secrets()
        return {item.name: plan.digest(item.secrets["dbverifier"]) for item in self.instances}


def open_site(host: Host, only: str | None) -> Site | None:
    """None when the one instance this run is limited to lives on another host."""
    if only is not None and only not in {item.name for item in host.instances}:
        return None
    return Site(host, only, SecretStore(project(host.data.system), host.data.secrets_dir, host.data.identity))
