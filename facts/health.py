"""Whether instances answer through their gateways: one command for the whole host, a request per service in parallel."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pyinfra.api.facts import FactBase

from facts.script import script_text

#: Instance and service, and what was seen: `ok`, an HTTP status (000: nothing answered), or `unhealthy`.
Question = tuple[str, str]
Answers = Mapping[Question, str]

#: Option of a service to the name of its unit; imgproxy answers storage only.
_SERVICES: Final = {name: name for name in ("auth", "storage", "realtime", "meta", "studio")} | {"restApi": "rest"}
#: Method, path and expected status. None of these touches the database: PostgREST checks the token and tells which methods its
#: root has, in 1 ms where the whole API takes 12; no gateway serves functions: it says so itself.
_LIGHT: Final = {
    "gateway": "HEAD /functions/v1 404",
    "rest": "OPTIONS /rest/v1/ 200",
    "auth": "GET /auth/v1/health 200",
    "storage": "GET /storage/v1/status 200",
    "realtime": "GET /realtime/v1/healthcheck 200",
    "meta": "GET /pg/health 200",
    "studio": "GET /api/platform/profile 200",
}
#: These go through to the database. Realtime answers 200 in any state: its body says whether it is healthy.
_WHOLE: Final = _LIGHT | {
    "rest": "HEAD /rest/v1/ 200",
    "auth": "GET /auth/v1/admin/users?per_page=1 200",
    "storage": "GET /storage/v1/bucket 200",
    "realtime": "GET /realtime/v1/health healthy",
}


@dataclass(frozen=True)
class Probe:
    """What is asked of one gateway. `uid` must own the listener on `port`, or the key would go to a stranger: systemd holds
    it. `key` and `password` (Studio's) are paths of decrypted secrets on the host."""

    name: str
    port: int
    key: str
    password: str
    services: tuple[str, ...]
    uid: int = 0

    @classmethod
    def of(cls, name: str, option: Mapping[str, Any]) -> "Probe":
        """`option`: the instance as the module has it."""
        services = tuple(unit for service, unit in _SERVICES.items() if option["services"].get(service))
        password = f"/run/agenix/supabase-{name}-dashboard"
        return cls(name, option["port"], f"/run/agenix/{option['serviceKey']}", password, services or ("gateway",))

    def with_gateway(self) -> "Probe":
        """The same, and the gateway itself: it answers also when what is behind it hangs."""
        return replace(self, services=tuple(dict.fromkeys(("gateway", *self.services))))


def health_args(probes: tuple[Probe, ...], wait: int, light: bool) -> tuple[str, ...]:
    """Arguments of the script; a listener stands in /proc/net/tcp as `PORT:UID`, the port in hexadecimal."""
    questions = "".join(f"{service} {question};" for service, question in (_LIGHT if light else _WHOLE).items())
    asked = (
        (item.name, str(item.port), f"{item.port:04X}:{item.uid}", item.key, item.password, " ".join(item.services))
        for item in probes
    )
    return (str(wait), questions, *(word for words in asked for word in words))


def parse_health(output: list[str]) -> dict[Question, str]:
    fields = (line.split() for line in output)
    return {(words[1], words[2]): words[3] for words in fields if len(words) == 4 and words[0] == "health"}


def unhealthy(probes: tuple[Probe, ...], answers: Answers) -> dict[Question, str]:
    """What does not serve, with the answer seen; what was not asked at all counts as 000."""
    asked = ((probe.name, service) for probe in probes for service in probe.services)
    return {question: seen for question in asked if (seen := answers.get(question, "000")) != "ok"}


def limited(probes: tuple[Probe, ...], questions: Collection[Question], *, inside: bool) -> tuple[Probe, ...]:
    """The probes with only those services that are, or are not, among `questions`."""
    left = (
        replace(probe, services=tuple(item for item in probe.services if ((probe.name, item) in questions) is inside))
        for probe in probes
    )
    return tuple(probe for probe in left if probe.services)


def told(probes: tuple[Probe, ...], broken: Answers) -> dict[str, str]:
    """Instance to what is wrong with it, for a person: `storage answers HTTP 503`. `probes`: what was asked."""
    result = {}
    for probe in probes:
        seen = {service: broken[probe.name, service] for service in probe.services if (probe.name, service) in broken}
        if seen and all(seen.get(service) == "000" for service in probe.services):
            result[probe.name] = "does not answer"
        elif seen:
            result[probe.name] = ", ".join(f"{service} {_said(answer)}" for service, answer in seen.items())
    return result


def _said(answer: str) -> str:
    words = {"000": "does not answer", "unhealthy": "says it is not healthy"}
    return words.get(answer, f"answers HTTP {answer}")


class Health(FactBase[dict[Question, str]]):
    """What each service answers. `light`: without a query to the database."""

    def command(self, probes: tuple[Probe, ...], wait: int = 0, light: bool = False) -> str:
        return script_text("health", args=health_args(probes, wait, light))

    @staticmethod
    def default() -> dict[Question, str]:
        return {}

    def process(self, output: list[str]) -> dict[Question, str]:
        return parse_health(output)
