"""All hosts with all their instances: the one source that every later step plans from."""

from dataclasses import dataclass
from typing import Any

from desired.instance import Instance


@dataclass(frozen=True)
class Host:
    """A host with nothing left open; from `system` on, the fields of `desired.model.HostData`."""

    name: str
    host_key: str
    instances: tuple[Instance, ...]
    system: str
    domain: str
    operators: tuple[str, ...]
    capacity: int
    host_memory: int | None
    edge: str | None
    acme_email: str | None
    authelia: str | None
    module_dir: str
    flake: str | None
    postgresql_port: int
    way_back_seconds: int
    secrets_dir: str
    identity: str

    @property
    def recipients(self) -> tuple[str, ...]:
        """Who may open the secrets of its instances: sorted, without comments."""
        return tuple(sorted({*self.operators, self.host_key}))

    def option(self) -> dict[str, Any]:
        """`host.json`: the values of `constellation.supabase` that hold for the whole host. What is None the module decides."""
        chosen = {"hostMemory": self.host_memory, "edge": self.edge, "acmeEmail": self.acme_email, "authelia": self.authelia}
        settled = {key: value for key, value in chosen.items() if value is not None}
        return {"capacity": self.capacity, "domain": self.domain, **settled}


@dataclass(frozen=True)
class Estate:
    hosts: tuple[Host, ...]

    def host(self, name: str) -> Host | None:
        return next((host for host in self.hosts if host.name == name), None)

    @property
    def instances(self) -> tuple[Instance, ...]:
        return tuple(instance for host in self.hosts for instance in host.instances)
