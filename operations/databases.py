"""Roles, databases and their schemas: the wanted cluster minus the observed one, made by one SQL stream."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from pyinfra.api.command import StringCommand
from pyinfra.context import host

from desired.changes import Change
from desired.cluster import WantedCluster, wanted
from desired.cluster_diff import SqlChange, difference
from desired.cluster_state import Absent
from desired.cluster_stream import needs_verifier, stream
from desired.errors import HostStop
from desired.sql_text import verifier_line, with_verifiers
from facts.postgresql import Cluster
from facts.script import guarded
from operations.site import Site


@dataclass(frozen=True)
class Plan:
    """`session`: shell text of the superuser session the plan was read with and is made with."""

    wanted: WantedCluster
    differences: tuple[SqlChange, ...]
    session: str
    only: str | None

    @property
    def changes(self) -> tuple[Change, ...]:
        return tuple(item.change for item in self.differences)

    @property
    def verifiers(self) -> tuple[str, ...]:
        """The instances whose verifier the stream needs."""
        return needs_verifier(self.differences)

    @property
    def sql(self) -> str:
        """Empty when nothing is to be changed; never holds a secret."""
        return stream(self.wanted, self.differences, repair_shared=self.only is None)

    def on_host(self, paths: Mapping[str, str], otherwise: str = "") -> Iterator[StringCommand]:
        """At most one command; verifiers go from `paths` (instance to a file only root reads) into psql, on the host alone.

        `otherwise`: shell text that runs when the stream fails; the command fails all the same.
        """
        if self.differences:
            text = with_verifiers({name: paths[name] for name in self.verifiers}, self.session)
            yield guarded(StringCommand(text, _stdin=self.sql), otherwise)

    def from_memory(self, verifiers: Mapping[str, str]) -> Iterator[StringCommand]:
        """At most one command; `verifiers` (instance to verifier) travel on its stdin, for a PostgreSQL on this machine.

        Raises SecretStop for what is no verifier, KeyError for one that is needed and not given.
        """
        if self.differences:
            line = verifier_line({name: verifiers[name] for name in self.verifiers}) if self.verifiers else ""
            yield StringCommand(self.session, _stdin=line + self.sql)


def plan(site: Site, superuser: str | None = None, *, starting: bool = True, again: bool = False) -> Plan:
    """What is to be changed; `superuser` is a session other than the NixOS host's.

    `starting`: this run brings PostgreSQL first, so its absence is no mistake. `again`: this run has changed the host since
    it looked. Raises HostStop.
    """
    superuser = superuser or site.superuser
    observed = host.get_fact(Cluster, session=superuser) if again else site.fact(Cluster, session=superuser)
    if isinstance(observed, Absent) and not starting:
        raise HostStop(f"PostgreSQL should run on this host but does not: {observed.reason}; see systemctl status postgresql")
    # What is switched off keeps its database as it is: its secrets are not decrypted on the host.
    cluster = wanted(replace(site.host, instances=site.enabled), site.verifier_digests())
    return Plan(cluster, difference(cluster, observed, site.only), superuser, site.only)


def apply(site: Site, otherwise: str = "") -> Iterator[StringCommand]:
    """The command that makes what now differs: after a rebuild, PostgreSQL may hold what nobody could see before."""
    paths = {item.name: f"/run/agenix/{item.secrets['dbverifier']}" for item in site.instances}
    try:
        yield from plan(site, again=True).on_host(paths, otherwise)
    except HostStop as stop:
        if not otherwise:
            raise
        yield guarded(StringCommand(f"printf '%s\\n' {shlex.quote(str(stop))} >&2; false"), otherwise)
