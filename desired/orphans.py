"""Instances on a host that group_data no longer names: they are kept, so what they hold is taken."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from desired.errors import HostStop
from desired.estate import Host


def orphans(host: Host, observed: Iterable[str]) -> tuple[str, ...]:
    """Their names, sorted. `observed`: the instances that have a file on the host."""
    named = {instance.name for instance in host.instances}
    return tuple(sorted(name for name in observed if name not in named))


def check_orphans(host: Host, observed: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise HostStop when an orphan holds what an instance wants: the host's build would refuse it, after secrets were made.

    `observed`: instance to what its file holds."""
    wanted = {claim: item.name for item in host.instances for claim in _claims(item.option)}
    left = orphans(host, observed)
    for name in left:
        for what, value in _claims(observed[name]):
            if (what, value) in wanted:
                raise HostStop(
                    f"instance {wanted[what, value]}: {what} {value} is held by {name}, which is on {host.name} but no longer in "
                    f"group_data; put {name} back, delete it with `just supabase-delete {name}`, or choose another {what}"
                )
    count = len(host.instances) + len(left)
    if left and count > host.capacity:
        raise HostStop(
            f"capacity = {host.capacity}: {host.name} holds {count} instances with {', '.join(left)}, which group_data no "
            "longer names; raise capacity (PostgreSQL restarts once) or delete one"
        )


def _claims(option: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What no two instances of a host may share; a file that a person wrote may leave anything out."""
    database = option.get("database", {})
    values = [("subdomain", option.get("subdomain")), ("port", option.get("port"))]
    values += [("database.name", database.get("name")), ("database.user", database.get("user"))]
    values += [("secret", secret) for secret in option.get("secrets", ())]
    return ((what, value) for what, value in values if value is not None)
