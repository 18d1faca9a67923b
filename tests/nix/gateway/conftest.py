"""Three gateways on one host: everything served, the REST API only, Studio but none of the API's other services."""

import socket
from collections.abc import Iterator

import pytest

from tests.nix.evaluation import Json, Lab, available, instance, needs
from tests.nix.gateway.keys import ANON, OLD, PASSWORD, SERVICE
from tests.nix.gateway.running import Gateway
from tests.nix.gateway.running import gateway as running

SECRETS = {"anon": ANON, "anon-previous": OLD, "service": SERVICE, "dashboard": PASSWORD}
NAMES = ("prod", "api", "desk")


def _free_ports(count: int) -> list[int]:
    """Loopback ports nobody listens on."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@pytest.fixture(scope="session")
def ports() -> dict[str, int]:
    """The public port of each."""
    return dict(zip(NAMES, _free_ports(len(NAMES)), strict=True))


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory, ports: dict[str, int]) -> Json:
    """The evaluated host."""
    needs("nix-instantiate", "nginx")
    lab = Lab(tmp_path_factory.mktemp("host"))
    lab.host()
    prod = instance("prod", 0, "full", subdomain="supabase", port=ports["prod"], logLevel="debug")
    lab.put("prod", prod | {"secrets": [*prod["secrets"], "supabase-prod-anon-previous"]})
    lab.put("api", instance("api", 1, port=ports["api"]))
    desk = instance("desk", 2, "full", port=ports["desk"])
    desk["storage"]["enable"] = False
    lab.put("desk", desk | {"services": dict.fromkeys(desk["services"], False) | {"meta": True, "studio": True}})
    system: Json = lab.evaluate(available())["system"]
    return system


def _started(factory: pytest.TempPathFactory, system: Json, ports: dict[str, int], name: str) -> Iterator[Gateway]:
    # Short: a Unix socket's path has 107 characters
    with running(factory.mktemp("g"), system, name, ports[name], SECRETS) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory, system: Json, ports: dict[str, int]) -> Iterator[Gateway]:
    """The gateway of prod, which serves everything."""
    yield from _started(tmp_path_factory, system, ports, "prod")


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory, system: Json, ports: dict[str, int]) -> Iterator[Gateway]:
    """The gateway of an instance with the REST API alone."""
    yield from _started(tmp_path_factory, system, ports, "api")


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory, system: Json, ports: dict[str, int]) -> Iterator[Gateway]:
    """The gateway of an instance with Studio and meta alone."""
    yield from _started(tmp_path_factory, system, ports, "desk")
