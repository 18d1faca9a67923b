"""Roles, databases and what is inside them: the wanted cluster minus the observed one, made by one SQL stream.

What services make in their database themselves is prepared before they start and written down once they have said so: while
realtime migrates, its login may grant supabase_realtime_admin on, which both of its migrations that need it do.
"""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from pyinfra.api.command import StringCommand
from pyinfra.context import host

from desired.changes import Change
from desired.cluster import WantedCluster, WantedInstance, wanted
from desired.cluster_diff import Part, SqlChange, as_wanted, difference, known, upgraded
from desired.cluster_state import Absent, Observation, Observed
from desired.cluster_stream import Migration, migrations, needs_verifier, stream
from desired.errors import HostStop
from desired.inside import EXTENSIONS
from desired.record import records
from desired.sql_text import verifier_line, with_verifiers
from desired.upgrades import Upgrade
from facts.postgresql import Cluster
from facts.script import guarded, run_script
from operations import bucket
from operations.announce import note
from operations.connection import ask
from operations.site import Site
from workstation.templates import images


@dataclass(frozen=True)
class Plan:
    """`session`: shell text of the superuser session the plan was read with and is made with."""

    wanted: WantedCluster
    observed: Observation
    differences: tuple[SqlChange, ...]
    session: str
    only: str | None

    @property
    def changes(self) -> tuple[Change, ...]:
        return tuple(item.change for item in self.differences)

    @property
    def verifiers(self) -> tuple[str, ...]:
        """The logins whose verifier the stream needs."""
        return needs_verifier(self.differences)

    @property
    def sql(self) -> str:
        """Empty when nothing is to be changed; never holds a secret."""
        return stream(self.wanted, self.differences, repair_shared=self.only is None)

    @property
    def as_wanted(self) -> dict[str, str]:
        """The databases that were entered and are left as they are, to their marks."""
        return as_wanted(self.wanted, self.observed, self.differences) if isinstance(self.observed, Observed) else {}

    def of(self, part: Part) -> tuple[WantedInstance, ...]:
        """The instances that a change of this part is announced for."""
        found = {item.change.instance for item in self.differences if item.part == part}
        return tuple(item for item in self.wanted.instances if item.name in found)

    @property
    def upgrades(self) -> tuple[Upgrade, ...]:
        """What will migrate a database that an older version has served."""
        return tuple(upgrade for item in self.of("version") for upgrade in upgraded(item, self.observed))

    def on_host(self, paths: Mapping[str, str], otherwise: str = "") -> Iterator[StringCommand]:
        """At most one command; verifiers go from `paths` (login to a file only root reads) into psql, on the host alone.

        `otherwise`: shell text that runs when the stream fails; the command fails all the same.
        """
        if sql := self.sql:
            text = with_verifiers({login: paths[login] for login in self.verifiers}, self.session)
            yield guarded(StringCommand(text, _stdin=sql), otherwise)

    def from_memory(self, verifiers: Mapping[str, str]) -> Iterator[StringCommand]:
        """At most one command; `verifiers` (login to verifier) travel on its stdin, for a PostgreSQL on this machine.

        Raises SecretStop for what is no verifier, KeyError for one that is needed and not given.
        """
        if sql := self.sql:
            line = verifier_line({login: verifiers[login] for login in self.verifiers}) if self.verifiers else ""
            yield StringCommand(self.session, _stdin=line + sql)

    def lend(self, otherwise: str = "") -> Iterator[StringCommand]:
        """At most one command, before a new realtime starts on a database that is there: its login may grant on."""
        there = self.observed.databases if isinstance(self.observed, Observed) else {}
        if lent := [Migration(item, admin=True) for item in self.of("migrations") if item.database in there]:
            yield guarded(StringCommand(self.session, _stdin=migrations(lent)), otherwise)

    @property
    def withdraw(self) -> str:
        """Shell text that takes back what `lend` and the stream have lent; empty when that is nothing."""
        sql = migrations([Migration(item, admin=False) for item in self.of("migrations")])
        return f"printf '%s' {shlex.quote(sql)} | {self.session}" if sql else ""

    def settle(self, site: Site, otherwise: str = "") -> Iterator[StringCommand]:
        """At most three commands, once services answer: that realtime has migrated, seen as its own login, because a superuser
        reads no row of an instance; the buckets; and that both is done is written down, with what was lent taken back."""
        migrating, missing = self.of("migrations"), self.of("bucket")
        if migrating:
            port = str(site.host.postgresql_port)
            args = (port, *(word for item in migrating for word in (item.name, item.database)))
            yield guarded(run_script("migrated", args=args), otherwise)
        if missing:
            yield guarded(bucket.make(site, {item.name: str(item.record.bucket) for item in missing}), otherwise)
        settled = (*migrating, *missing, *self.of("version"))
        made = [item for item in self.wanted.instances if item in settled]
        if sql := migrations([Migration(item, False, item.record.over(known(item, self.observed))) for item in made]):
            yield guarded(StringCommand(self.session, _stdin=sql), otherwise)


def plan(site: Site, superuser: str | None = None, *, starting: bool = True, again: bool = False) -> Plan:
    """What is to be changed; `superuser` is a session other than the NixOS host's.

    `starting`: this run brings PostgreSQL first, so its absence is no mistake. `again`: this run has changed the host since
    it looked. Raises HostStop.
    """
    superuser = superuser or site.superuser
    observed = ask(Cluster, session=superuser, databases=site.databases) if again else site.cluster()
    if isinstance(observed, Absent) and not starting:
        raise HostStop(f"PostgreSQL should run on this host but does not: {observed.reason}; see systemctl status postgresql")
    if isinstance(observed, Observed) and (lacking := set(EXTENSIONS).difference(observed.extensions)):
        note(host, f"this PostgreSQL has no {', '.join(sorted(lacking))}: databases go without")
    # What is switched off keeps its database as it is: its secrets are not decrypted on the host.
    enabled = replace(site.host, instances=site.enabled)
    versions = {service: image.version for service, image in images().items()}
    served = records(enabled, versions) if site.host.system == "nixos" else {}
    cluster = wanted(enabled, site.verifier_digests(), served)
    return Plan(cluster, observed, difference(cluster, observed, site.only), superuser, site.only)


def apply(site: Site, otherwise: str = "") -> Iterator[StringCommand]:
    """The commands that make what now differs, and prove each new password by a login with it: after a rebuild, PostgreSQL may
    hold what nobody could see before."""
    try:
        now = plan(site, again=True)
        yield from now.on_host(site.verifier_paths(), otherwise)
        if now.verifiers:
            urls = site.url_paths()
            args = (str(site.host.postgresql_port), *(word for login in now.verifiers for word in (login, urls[login])))
            yield guarded(run_script("login", args=args), otherwise)
    except HostStop as stop:
        if not otherwise:
            raise
        yield guarded(StringCommand(f"printf '%s\\n' {shlex.quote(str(stop))} >&2; false"), otherwise)
