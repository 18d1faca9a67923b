"""Whether instances answer through their gateways: one command, one request per instance in parallel."""

from collections.abc import Mapping

from pyinfra.api.facts import FactBase

from facts.script import script_text

#: (name, gateway port, path of the decrypted service key on the host, HTTP status that means health)
Probe = tuple[str, int, str, str]


def health_args(probes: tuple[Probe, ...], wait: int) -> tuple[str, ...]:
    return (str(wait), *(str(part) for probe in probes for part in probe))


def parse_health(output: list[str]) -> dict[str, str]:
    """Instance name to HTTP status; `000` where nothing answered."""
    fields = (line.split() for line in output)
    return {words[1]: words[2] for words in fields if len(words) == 3 and words[0] == "health"}


def unhealthy(probes: tuple[Probe, ...], answers: Mapping[str, str]) -> dict[str, str]:
    """The instances that do not serve, with the status seen; one that was not asked at all counts as 000."""
    return {name: answers.get(name, "000") for name, _, _, status in probes if answers.get(name) != status}


def lightly(probes: tuple[Probe, ...]) -> tuple[Probe, ...]:
    """The same instances, asked without a query: gateway, key and REST API answer, the database is not touched."""
    return tuple((name, port, key, "406" if status == "200" else status) for name, port, key, status in probes)


class Health(FactBase[dict[str, str]]):
    """Status per instance."""

    def command(self, probes: tuple[Probe, ...], wait: int = 0) -> str:
        return script_text("health", args=health_args(probes, wait))

    @staticmethod
    def default() -> dict[str, str]:
        return {}

    def process(self, output: list[str]) -> dict[str, str]:
        return parse_health(output)
