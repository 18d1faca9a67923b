"""A host's wanted cluster, and the project's own way of bringing a real PostgreSQL to it."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from desired import scram
from desired.changes import Change
from desired.cluster import WantedCluster, wanted
from desired.cluster_diff import SqlChange, as_wanted, difference
from desired.cluster_state import Observation, Observed
from desired.cluster_stream import needs_verifier, stream
from desired.defaults import resolve
from desired.estate import Host
from desired.model import HostData, InstanceData
from desired.record import records
from desired.sql_text import verifier_line
from facts.postgresql import Cluster
from tests.pg import Server, shell

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"


@dataclass(frozen=True)
class Case:
    """A host's instances by name (each value as in group_data); the password of `prod` is `password-of-prod`.

    `realtime`, `storage`: the versions whose migrations are wanted; without realtime's nothing is wanted of services."""

    instances: Mapping[str, Mapping[str, Any]]
    salts: Mapping[str, bytes] = field(default_factory=dict)
    realtime: str = ""
    storage: str = "v7"
    memory: dict[str, str] = field(default_factory=dict)

    @property
    def host(self) -> Host:
        items = (
            resolve(name, InstanceData.model_validate(value), host="host", domain="example.org", slot=slot)
            for slot, (name, value) in enumerate(sorted(self.instances.items()))
        )
        return Host("host", KEY, tuple(items), **dict(HostData(domain="example.org", operators=(KEY,))))

    @property
    def verifiers(self) -> dict[str, str]:
        """Login to verifier; every login of an instance has the same password."""
        return {
            login: scram.verifier(
                f"password-of-{item.name}", self.salts.get(item.name, hashlib.sha256(item.name.encode()).digest()[:16])
            )
            for item in self.host.instances
            for login in item.verifiers
        }

    @property
    def digests(self) -> dict[str, str]:
        return {login: hashlib.sha256(value.encode()).hexdigest() for login, value in self.verifiers.items()}

    @property
    def wanted(self) -> WantedCluster:
        versions = {"realtime": self.realtime, "storage": self.storage}
        return wanted(self.host, self.digests, records(self.host, versions) if self.realtime else None)

    def look(self, server: Server, only: str | None = None) -> Observation:
        """What is, as far as a run sees it: as one that remembers what this case does."""
        databases = tuple(item.database for item in self.wanted.instances if only in (None, item.name))
        found = observe(server, databases, self.memory)
        return found.remembering(self.memory) if isinstance(found, Observed) else found

    def plan(self, server: Server, only: str | None = None) -> tuple[SqlChange, ...]:
        observed = self.look(server, only)
        changes = difference(self.wanted, observed, only)
        if isinstance(observed, Observed):
            self.memory.update(as_wanted(self.wanted, observed, changes))
        return changes

    def sql(self, changes: tuple[SqlChange, ...], only: str | None = None) -> str:
        """The whole stream, verifiers first, as the sandbox sends it."""
        line = verifier_line({login: self.verifiers[login] for login in needs_verifier(changes)})
        return line + stream(self.wanted, changes, repair_shared=only is None)

    def converge(self, server: Server, only: str | None = None) -> list[Change]:
        """Plan, apply, and prove that nothing is left to do. Gives what was announced."""
        changes = self.plan(server, only)
        if changes:
            result = server.guarded(self.sql(changes, only))
            assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        assert self.plan(server, only) == ()
        return [item.change for item in changes]


def case(*names: str) -> Case:
    return Case({name: {} for name in names})


def observe(server: Server, databases: tuple[str, ...] = (), memory: Mapping[str, str] = {}) -> Observation:
    """The fact, as pyinfra would run it."""
    seen = tuple((name, memory[name]) for name in databases if name in memory)
    return Cluster().process(shell(Cluster().command(server.session, databases, seen)).stdout.splitlines())


def observed(server: Server, *databases: str) -> Observed:
    result = observe(server, databases)
    assert isinstance(result, Observed), result
    return result


def boundaries(sql: str) -> list[int]:
    """The positions after each statement and psql command of `sql`."""
    ends, quoted, position = [], False, 0
    for line in sql.splitlines(keepends=True):
        position += len(line)
        quoted ^= len(re.findall(r"\$(?:supabase|function)\$", line)) % 2 == 1
        if not quoted and (line.rstrip().endswith((";", "\\gexec")) or line.startswith("\\connect")):
            ends.append(position)
    return ends
