"""Whether instances answer through their gateways: one command, one request per instance in parallel."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pyinfra.api.facts import FactBase

from desired.numbers import internal
from facts.script import script_text


@dataclass(frozen=True)
class Probe:
    """What is asked of one gateway. `uid` must own the listener on `port`, or the key would go to a stranger; `key` is the
    path of the decrypted service key on the host; `status` the HTTP status that means health."""

    name: str
    port: int
    uid: int
    key: str
    status: str

    @classmethod
    def of(cls, name: str, option: Mapping[str, Any]) -> "Probe":
        """`option`: the instance as the module has it. Without a REST API its gateway answers 404, which proves it runs."""
        status = "200" if option["services"]["restApi"] else "404"
        return cls(name, option["port"], internal(option["slot"], "gateway"), f"/run/agenix/{option['serviceKey']}", status)


def health_args(probes: tuple[Probe, ...], wait: int) -> tuple[str, ...]:
    """Arguments of the script; a listener stands in /proc/net/tcp as `PORT:UID`, the port in hexadecimal."""
    asked = ((probe.name, str(probe.port), f"{probe.port:04X}:{probe.uid}", probe.key, probe.status) for probe in probes)
    return (str(wait), *(word for words in asked for word in words))


def parse_health(output: list[str]) -> dict[str, str]:
    """Instance name to HTTP status; `000` where nothing answered."""
    fields = (line.split() for line in output)
    return {words[1]: words[2] for words in fields if len(words) == 3 and words[0] == "health"}


def unhealthy(probes: tuple[Probe, ...], answers: Mapping[str, str]) -> dict[str, str]:
    """The instances that do not serve, with the status seen; one that was not asked at all counts as 000."""
    return {probe.name: answers.get(probe.name, "000") for probe in probes if answers.get(probe.name) != probe.status}


def lightly(probes: tuple[Probe, ...]) -> tuple[Probe, ...]:
    """The same instances, asked without a query: gateway, key and REST API answer, the database is not touched."""
    return tuple(replace(probe, status="406") if probe.status == "200" else probe for probe in probes)


class Health(FactBase[dict[str, str]]):
    """Status per instance."""

    def command(self, probes: tuple[Probe, ...], wait: int = 0) -> str:
        return script_text("health", args=health_args(probes, wait))

    @staticmethod
    def default() -> dict[str, str]:
        return {}

    def process(self, output: list[str]) -> dict[str, str]:
        return parse_health(output)
