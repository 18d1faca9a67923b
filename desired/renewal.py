"""What a run does to the secrets of its instances beyond what is missing: new values, or a stage of a rotation."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from desired.errors import Invalid, Mistake
from desired.generators import GENERATORS, PARENTS
from desired.graph import with_derived
from desired.instance import OVERLAPPING, Instance
from desired.rotation import Stage
from desired.shown import shown

#: Hours that old API keys and tokens signed by the old secret are accepted.
HOURS: Final = 24


@dataclass(frozen=True)
class Renewal:
    """`kinds` get a new value at once; `given`: kind to the value a person gives, of those. `hours`: how long the stage
    `switch` leaves old values accepted."""

    kinds: frozenset[str] = frozenset()
    given: Mapping[str, str] = field(default_factory=dict, repr=False)
    stage: Stage | None = None
    hours: int = HOURS

    def renewed(self, instance: Instance) -> frozenset[str]:
        """The kinds that get a new value, derived ones included; of a switch those that cannot overlap."""
        kinds = self.kinds
        if self.stage == "switch":
            kinds |= {kind for kind in instance.secrets if GENERATORS[kind].make} - {*OVERLAPPING}
        return with_derived(PARENTS, kinds) & instance.secrets.keys()


NOTHING: Final = Renewal()


def window_of(value: object) -> int:
    """`--data window`, in hours. Raises Invalid."""
    if value is None:
        return HOURS
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 8760:
        problem = "must be a whole number of hours from 1 to 8760; to end a window at once, retire_now=true afterwards"
        raise Invalid([Mistake("--data", "window", problem, value=shown(value))])
    return value


def one_kind(instance: Instance, kind: object, value: str | None) -> Renewal:
    """The renewal of one secret and all that is made from it; `value`: a person's own. Raises Invalid."""
    known = sorted(instance.secrets)
    if kind not in known:
        problem = f"instance {instance.name} has no such secret; known: {', '.join(known)}"
        raise Invalid([Mistake("--data", "secret", problem, value=shown(kind))])
    assert isinstance(kind, str)
    generator = GENERATORS[kind]
    if value is not None and generator.parents:
        problem = f"{kind} is made from {' and '.join(generator.parents)}: give that one, and {kind} follows"
        raise Invalid([Mistake("--data", "stdin", problem)])
    if value is None and generator.make is None:
        problem = f"{kind} is yours to give ({generator.what}): pass it on standard input, with --stdin"
        raise Invalid([Mistake("--data", "stdin", problem)])
    return Renewal(frozenset({kind}), {} if value is None else {kind: value})


#: Kind to what its change interrupts, and the service that must be on for it (supabase-stack.md §6.4).
_INTERRUPTS: Final = {
    "jwt": (
        ("auth", "users' access tokens end; their applications get new ones by themselves with the refresh token"),
        ("storage", "storage restarts: uploads and downloads under way end; signed URLs end"),
        ("realtime", "realtime restarts: clients connect again"),
        ("studio", "Studio restarts"),
    ),
    "anon": ((None, "applications with the old anon key get 401 until they have the new one"),),
    "service": ((None, "servers with the old service key get 401 until they have the new one"),),
    "db": ((None, "new logins as the owner need the new password; connections that are open stay"),),
    "authdb": (("auth", "auth restarts and is refused by PostgreSQL until its new password is set there: requests to it fail"),),
    "realtime": (("realtime", "realtime restarts: clients connect again"),),
    "dashboard": (("studio", "whoever is in Studio logs in again, with the new password"),),
    "meta": (("meta", "meta and Studio restart"),),
    "s3": (("storage", "S3 clients with the old key are refused; storage restarts: transfers under way end"),),
    "s3backend": (("storage", "storage restarts: transfers under way end"),),
}
#: What the overlap spares.
_SPARED: Final = ("users' access tokens", "applications with", "servers with", "signed URLs")


def interruptions(instance: Instance, renewal: Renewal, *, retires: bool = False) -> Iterator[str]:
    """What a person should know before it happens, of the services that run. `retires`: old generations go."""
    overlapping = frozenset(OVERLAPPING) if renewal.stage or retires else frozenset()
    for kind in sorted(renewal.renewed(instance) | overlapping):
        for service, text in _INTERRUPTS.get(kind, ()):
            if service is None or instance.services[service]:
                left = [part for part in text.split("; ") if not (kind in overlapping and part.startswith(_SPARED))]
                if left:
                    yield f"{kind}: {'; '.join(left)}"
    if retires:
        yield "old API keys, and tokens signed by the old secret, are refused from now on"
    if renewal.stage == "switch":
        yield f"old API keys, and tokens signed by the old secret, are accepted for {renewal.hours} hours more"
        if kept := sorted(kind for kind in instance.secrets if GENERATORS[kind].make is None):
            yield f"{', '.join(kept)}: yours to give, and stay: `just supabase-update-secret {instance.name} KIND --stdin`"
