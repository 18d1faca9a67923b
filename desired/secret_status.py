"""How the secrets of an instance stand, from their sidecars and what the host tells: age, expiry, recipients, rotation."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from desired.instance import OVERLAPPING, Instance
from desired.rotation import accepted_until
from desired.sidecar import Sidecar, time_of, time_text
from desired.usage import Usage

#: So many days before a key expires somebody should know.
WARN_DAYS = 30


@dataclass(frozen=True)
class SecretStatus:
    """`state`: of its sidecar. `on_host`: decrypted there; `demo`: everybody knows the value; None where nobody can tell."""

    name: str
    kind: str
    state: Literal["current", "missing", "damaged"]
    created: str | None = None
    age_days: int | None = None
    expires: str | None = None
    expires_in_days: int | None = None
    recipients: Literal["right", "wrong"] | None = None
    on_host: bool | None = None
    demo: bool | None = None

    @property
    def right(self) -> bool:
        """Whether nothing that is known speaks against it."""
        expired = self.expires_in_days is not None and self.expires_in_days < 0
        return (
            self.state == "current" and self.recipients == "right" and self.on_host is not False and not self.demo and not expired
        )


@dataclass(frozen=True)
class Rotation:
    """`started`: new values wait for their turn; `overlapping`: old ones are accepted until then; `ended`: that is over, a run
    retires them. `secrets`: the names of those values."""

    state: Literal["started", "overlapping", "ended"]
    until: str | None
    secrets: tuple[str, ...]


def secret_statuses(
    instance: Instance,
    sidecars: Mapping[str, Sidecar | None],
    recipients: tuple[str, ...],
    usage: Usage | None,
    now: datetime,
) -> tuple[SecretStatus, ...]:
    """`sidecars`: every one that is present, None for a damaged one; `recipients`: the right ones; `usage`: None where no
    host has answered, or none decrypts."""
    found = []
    for kind, name in sorted(instance.secrets.items()):
        on_host = name in usage.secrets if usage else None
        status = SecretStatus(name, kind, "current", on_host=on_host, demo=name in usage.demo if usage and on_host else None)
        sidecar = sidecars.get(name)
        if sidecar is None:
            found.append(replace(status, state="damaged" if name in sidecars else "missing"))
            continue
        found.append(
            replace(
                status,
                created=sidecar.created,
                age_days=(now - time_of(sidecar.created)).days,
                expires=sidecar.expires,
                expires_in_days=(time_of(sidecar.expires) - now).days if sidecar.expires else None,
                recipients="right" if sidecar.recipients == recipients else "wrong",
            )
        )
    return tuple(found)


def secret_problems(instance: Instance, statuses: tuple[SecretStatus, ...], *, deployed: bool) -> Iterator[str]:
    """What somebody should do something about. `deployed`: the host runs a system with this instance."""
    for status in statuses:
        if status.expires_in_days is not None and status.expires_in_days < 0:
            yield f"{status.name} has expired on {str(status.expires)[:10]}; {_rotate(instance)} makes a new one"
    wrong = [status.name for status in statuses if status.recipients == "wrong"]
    if wrong:
        yield f"{_listed(wrong)}: encrypted for others than group_data and known_hosts name; `just deploy` re-encrypts"
    absent = [status.name for status in statuses if status.on_host is False and status.state == "current"]
    if absent and deployed and instance.enable:
        yield (
            f"{_listed(absent)}: not decrypted on the host; there, `/run/current-system/bin/switch-to-configuration test` "
            "decrypts what is missing, and `journalctl -b` says why it was not"
        )
    known = [status.name for status in statuses if status.demo]
    if known:
        # A rotation would go on accepting it for a day.
        kinds = dict.fromkeys("jwt" if status.kind in OVERLAPPING else status.kind for status in statuses if status.demo)
        cuts = " and ".join(f"`just supabase-update-secret {instance.name} {kind}`" for kind in kinds)
        yield f"{_listed(known)}: a demo value that everybody knows; replace it at once with {cuts}"


def secret_warnings(instance: Instance, statuses: tuple[SecretStatus, ...]) -> Iterator[str]:
    """What somebody should do something about before it becomes a problem."""
    for status in statuses:
        if status.expires_in_days is not None and 0 <= status.expires_in_days < WARN_DAYS:
            when = f"expires on {str(status.expires)[:10]}, in {status.expires_in_days} days"
            yield f"{status.name} {when}; {_rotate(instance)} makes a new one"


def rotation(instance: str, sidecars: Mapping[str, Sidecar | None], now: datetime) -> Rotation | None:
    """The rotation that is under way, None when there is none."""
    mine = [sidecar for sidecar in sidecars.values() if sidecar is not None and sidecar.instance == instance]
    names = tuple(sorted(sidecar.secret for sidecar in mine if sidecar.state != "current"))
    until = max((end for sidecar in mine if (end := accepted_until(sidecar))), default=None)
    shown = time_text(until) if until else None
    if any(sidecar.state == "next" for sidecar in mine):
        return Rotation("started", shown, names)
    return Rotation("overlapping" if now < until else "ended", shown, names) if until else None


def _rotate(instance: Instance) -> str:
    return f"`just supabase-rotate-secrets {instance.name}`"


def _listed(names: list[str]) -> str:
    return ", ".join(names)
