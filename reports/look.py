"""One look at a host: one connection, one command."""

from typing import Any

import gevent  # type: ignore[import-untyped]
from pyinfra.api.arguments import pop_global_arguments
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.host import Host
from pyinfra.api.state import State

from desired.answer import Answer
from desired.errors import HostStop, Stop
from desired.sql_text import session
from facts.health import Health
from facts.host_state import RunningSystem
from facts.images import Images
from facts.module_tree import ModuleTree
from facts.postgresql import Cluster
from facts.together import Question, answers, together
from facts.usage import InUse
from operations.connection import notice_silence, run, transport
from operations.site import SOURCE, Site
from reports.pending import LookedAt
from workstation.sandbox_server import SandboxServer
from workstation.templates import image_references

#: After so many seconds a host counts as one that does not answer. It gives up on a service after 5, on PostgreSQL after 10.
ANSWER_SECONDS = 60


def look(state: State, host: Host, site: Site) -> LookedAt | str:
    """The host with all it has told; or why it is not known how it stands."""
    asked = _questions(site)
    try:
        with gevent.Timeout(ANSWER_SECONDS, HostStop(f"no answer within {ANSWER_SECONDS} seconds")):
            host.connect(show_errors=False, raise_exceptions=True)
            if (connection := transport(host)) is not None:
                notice_silence(connection)
            # `_sudo` and the like, as an operation would have them
            host.current_op_global_arguments = pop_global_arguments(state, host, {})[0]
            success, output = run(host, together(asked))
        if not success:
            return "; ".join(output)[-300:] or "the command ended with an error"
        found = answers(asked, output)
    except ConnectError as error:
        pinned = "host key" in str(error)
        return f"{error}; docs/secrets.md says what to do about another host key" if pinned else str(error)
    except Stop as stop:
        return str(stop)
    keys = [(question.kind, question.arguments.get("module_dir", "")) for question in asked]
    return LookedAt(site.host, site.only, site.store, told=dict(zip(keys, found, strict=True)))


def answer(site: LookedAt) -> Answer:
    """What it told, in the words of `desired`."""
    told: dict[type[Any], Any] = {kind: value for (kind, place), value in site.told.items() if place != SOURCE}
    return Answer(told.get(RunningSystem), told[ModuleTree].tree, told[Cluster], told.get(Health, {}), told[InUse])


def _questions(site: Site) -> tuple[Question, ...]:
    nixos = site.host.system == "nixos"
    probes = tuple(probe.with_gateway() for probe in site.probes())
    superuser, secrets = site.superuser, tuple(name for item in site.enabled for name in item.secrets.values())
    if not nixos:
        server = SandboxServer(site.host.postgresql_port, 0)
        superuser, secrets = session(psql=str(server.programs / "psql"), connection=server.connection), ()
    everywhere = (
        Question(ModuleTree, {"module_dir": site.host.module_dir}),
        Question(Cluster, {"session": superuser, "databases": site.databases}),
        Question(InUse, {"session": superuser, "secrets": secrets}),
    )
    images, source = Question(Images, {"references": image_references()}), Question(ModuleTree, {"module_dir": SOURCE})
    running = (Question(RunningSystem), images, source, Question(Health, {"probes": probes}))
    return (*everywhere, *(running if nixos else ()))
