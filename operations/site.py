"""One host as this run sees it: what is wanted there, and for which instances."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import gevent  # type: ignore[import-untyped]
from gevent import Greenlet
from pyinfra.api.facts import FactBase
from pyinfra.api.host import Host as PyinfraHost
from pyinfra.api.state import State
from pyinfra.context import ctx_host, ctx_state, state

from desired.cluster_state import Observation, Observed
from desired.errors import HostStop
from desired.estate import Host
from desired.host_state import HostState
from desired.instance import Instance
from desired.renewal import NOTHING, Renewal
from desired.secret_plan import PREVIOUS
from desired.sql_text import session
from desired.tree import ObservedTree, Tree, after, wanted_tree
from facts.health import Health, Probe
from facts.host_state import RunningSystem
from facts.images import Images
from facts.module_tree import ModuleTree, TreeOnHost
from facts.postgresql import Cluster
from operations.connection import ask
from workstation import memory, sandbox
from workstation.secret_store import SecretPlan, SecretStore
from workstation.templates import image_references, module_files

#: Where a running system keeps the module tree it was built from.
SOURCE = "/run/current-system/etc/supabase/source"
T = TypeVar("T")
#: Whether while executing, the fact and its arguments.
Question = tuple[bool, type[FactBase[Any]], tuple[tuple[str, Any], ...]]


def project(system: str | None) -> Path:
    """Where the user's state of such hosts lives: secrets, slots and the lock."""
    return sandbox.directory() if system == "sandbox" else Path.cwd()


@dataclass(frozen=True)
class Site:
    """`only` is the instance this run is limited to, or None for all of the host's; `removed`: those the host is to lose.
    `renewal`: what becomes of the secrets of its instances beyond what is missing. `before`: what the same run does first, which
    while planning is still to come."""

    host: Host
    only: str | None
    store: SecretStore
    renewal: Renewal = NOTHING
    before: "Site | None" = None
    _plans: dict[bool, SecretPlan] = field(default_factory=dict)
    _asked: dict[Question, Greenlet] = field(default_factory=dict)
    _rotating: dict[bool, tuple[Instance, ...]] = field(default_factory=dict)
    _clusters: dict[bool, Observation] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()

    @property
    def project(self) -> Path:
        return project(self.host.system)

    def fresh(self) -> "Site":
        """The same without what it has read."""
        return replace(self, _plans={}, _asked={}, _rotating={}, _clusters={})

    @property
    def instances(self) -> tuple[Instance, ...]:
        """With the generations of secrets that this run leaves them."""
        phase = bool(state.is_executing)
        if phase not in self._rotating:
            mine = [item for item in self.host.instances if self.only in (None, item.name)]
            self._rotating[phase] = self.store.rotating(mine, self.renewal, self._serves)
        return self._rotating[phase]

    def retired(self) -> frozenset[str]:
        """The instances whose rotation this run ends: old keys are no longer accepted."""
        there = {name for name, standing in self.store.standings(self.instances).items() if standing.previous}
        return frozenset(item.name for item in self.instances if item.name in there and PREVIOUS not in item.generations)

    def _serves(self, secret: str, instance: str) -> bool:
        """Whether the host runs with this secret of the instance. Asked only where an old generation is to be retired."""
        if self.host.system != "nixos":
            return True
        return secret in self.running_tree().instances.get(instance, {}).get("secrets", ())

    @property
    def enabled(self) -> tuple[Instance, ...]:
        return tuple(item for item in self.instances if item.enable)

    def secrets(self) -> SecretPlan:
        """The secrets as they are and as they must become; read once while planning and once while executing."""
        phase = bool(state.is_executing)
        if phase not in self._plans:
            self._plans[phase] = self.store.plan(self.host, self.instances, self.renewal)
        return self._plans[phase]

    def look(self) -> None:
        """Ask the host everything that a run without changes needs, at once: it answers while the secrets are read."""
        if self.host.system == "nixos":
            self._ask(RunningSystem)
            self._ask(Images, references=image_references())
            self._ask(ModuleTree, module_dir=self.host.module_dir)
            self._ask_cluster()
            self._ask(Health, probes=self.probes(), light=True)

    def fact(self, kind: type[FactBase[T]], **arguments: Any) -> T:
        """A fact as of the start of planning or executing, before this run changes anything: asked once in each.
        That nobody else has changed the host since is what the host lock's epoch proves. Raises HostStop."""
        answer: T = _told(self._ask(kind, **arguments))
        if self.before is not None and not state.is_executing and isinstance(answer, TreeOnHost):
            return replace(answer, tree=after(self.before.tree(), answer.tree))
        return answer

    @property
    def databases(self) -> tuple[str, ...]:
        """Those whose inside is compared in this run."""
        return tuple(item.database for item in self.enabled)

    def cluster(self) -> Observation:
        """What the host's PostgreSQL held before this run changed anything."""
        phase = bool(state.is_executing)
        if phase not in self._clusters:
            observed: Observation = _told(self._ask_cluster())
            self._clusters[phase] = observed.remembering(self._memory) if isinstance(observed, Observed) else observed
        return self._clusters[phase]

    def _ask_cluster(self) -> Greenlet:
        databases = self.databases
        seen = tuple((name, self._memory[name]) for name in databases if name in self._memory)
        return self._ask(Cluster, session=self.superuser, databases=databases, seen=seen)

    @cached_property
    def _memory(self) -> dict[str, str]:
        return memory.recall(self.project, self.host.name)

    def remember(self, observed: Observation, as_wanted: Mapping[str, str]) -> None:
        """Of the databases that this run has entered those that were `as_wanted`, with their marks; not in a dry run."""
        if state.is_executing and isinstance(observed, Observed) and observed.insides:
            others = {name: mark for name, mark in self._memory.items() if name in observed.databases.keys() - observed.insides}
            memory.keep(self.project, self.host.name, {**others, **as_wanted})

    def system(self) -> HostState:
        """What the host ran before this run changed anything."""
        return self.fact(RunningSystem)

    def running_tree(self) -> ObservedTree:
        """What the running system was built from."""
        return self.fact(ModuleTree, module_dir=SOURCE).tree

    @property
    def superuser(self) -> str:
        """The superuser session of a NixOS host: postgres enters by peer."""
        return session(("runuser", "-u", "postgres", "--"), connection=("-p", str(self.host.postgresql_port)))

    def _ask(self, kind: type[FactBase[Any]], **arguments: Any) -> Greenlet:
        question = (bool(state.is_executing), kind, tuple(arguments.items()))
        if question not in self._asked:
            self._asked[question] = gevent.spawn(_answer, *_here(), kind, arguments)
        return self._asked[question]

    def make_secrets(self) -> str | None:
        """Write what is missing; gives a line for the user, if there is something left to do by hand."""
        planned = self.secrets()
        self._plans[True] = self.store.apply(planned)
        return planned.hint

    def tree(self) -> Tree:
        """What this run may write on the host."""
        tree = wanted_tree(self.host, self.instances, module_files(), self.secrets().ciphertext)
        return replace(tree, removed=self.removed)

    def probes(self) -> tuple[Probe, ...]:
        """What is asked of each enabled instance; where one is removed, of those that serve beside it."""
        if self.removed:
            there = self.fact(ModuleTree, module_dir=self.host.module_dir).tree.instances
            serving = there.keys() & self.system().ready - self.removed
            return tuple(Probe.of(name, there[name]) for name in sorted(serving) if _serves(there[name]))
        return tuple(Probe.of(item.name, item.option) for item in self.enabled)

    def verifier_digests(self) -> Mapping[str, str | None]:
        """Login to the sha256 of its SCRAM verifier; None while it is pending."""
        plan = self.secrets()
        return {login: plan.digest(secret) for item in self.instances for login, secret in item.verifiers.items()}

    def verifier_paths(self) -> Mapping[str, str]:
        """Login to the file that holds its verifier on the host, for root alone."""
        return {login: f"/run/agenix/{secret}" for item in self.instances for login, secret in item.verifiers.items()}

    def url_paths(self) -> Mapping[str, str]:
        """Login to the file that holds its URL on the host, for root alone."""
        return {login: f"/run/agenix/{secret}" for item in self.instances for login, secret in item.urls.items()}


def _serves(option: Mapping[str, Any]) -> bool:
    """Whether a file on the host, which a person may have written, is of an instance that can be asked."""
    return bool(option.get("enable", True)) and option.keys() >= {"services", "port", "serviceKey"}


def _here() -> tuple[State, PyinfraHost]:
    """The run's state and the host at hand, which another greenlet does not inherit."""
    return ctx_state.get(), ctx_host.get()  # type: ignore[no-untyped-call]


def _answer(state: State, host: PyinfraHost, kind: type[FactBase[Any]], arguments: dict[str, Any]) -> Any:
    """The fact, or why there is none: gevent would print what is raised here with a traceback."""
    with ctx_state.use(state), ctx_host.use(host):
        try:
            return ask(kind, **arguments)
        except HostStop as stop:
            return stop


def _told(asked: Greenlet) -> Any:
    """Raises HostStop."""
    answer = asked.get()
    if isinstance(answer, HostStop):
        raise answer
    return answer


def open_site(host: Host, only: str | None) -> Site | None:
    """None when the one instance this run is limited to lives on another host."""
    if only is not None and only not in {item.name for item in host.instances}:
        return None
    return Site(host, only, SecretStore(project(host.system), host.secrets_dir, host.identity))
