"""A status as a person reads it: tables of at most 80 columns, then what needs somebody's attention."""

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from desired.status import RUNNING, HostStatus, InstanceStatus, Report, ServiceStatus

WIDTH = 80
_KINDS = ("gateway", "rest", "auth", "storage", "realtime", "meta", "studio", "imgproxy")
#: systemd's words, short enough for eight columns.
_UNITS = {"inactive": "down", "activating": "starts", "deactivating": "stops"}


def text(report: Report) -> str:
    """Host by host; orphans last."""
    lines = [line for host in report.hosts for line in (*_host(host), "")]
    for orphan in report.orphans:
        where = f"on {orphan.host}" if orphan.host else "in this project"
        lines += _wrapped(
            f"! {orphan.name}: {where} ({', '.join(orphan.places)}), but not in group_data; "
            f"`just supabase-delete {orphan.name}` removes it"
        )
    return "\n".join([*lines, report.state])


def _host(host: HostStatus) -> Iterator[str]:
    server = host.postgresql
    seen = f", PostgreSQL {server.version // 10000}: {server.connections} of {server.limit} connections" if server.version else ""
    yield f"{host.name}: {host.state}{seen}"
    if host.reason:
        yield from _wrapped(f"! it does not answer: {host.reason}")
    for problem in host.problems:
        yield from _wrapped(f"! {problem}")
    if host.returned:
        yield from _wrapped(f"the last run was not confirmed; the host {host.returned}")
    if host.pending:
        yield from _wrapped(f"a deploy would change on the host: {_count(host.pending)} (`just plan` shows it)")
    yield ""
    rows = [(item.name, item.state, str(item.slot), str(item.port), item.url) for item in host.instances]
    yield from _table(("INSTANCE", "STATE", "SLOT", "PORT", "URL"), rows)
    if host.system == "sandbox":
        yield "the sandbox has no gateway and no services to ask"
    if any(item.services for item in host.instances):
        yield ""
        heads = ("INSTANCE", *(kind.upper() for kind in _KINDS))
        services = [(item.name, *(_service(item.services.get(kind)) for kind in _KINDS)) for item in host.instances]
        yield from _table(heads, services)
    yield ""
    heads = ("INSTANCE", "DATABASE", "CONN", "MEMORY MiB", "SECRETS", "KEYS UNTIL", "PENDING", "ROTATION")
    yield from _table(heads, [(item.name, *_uses(item)) for item in host.instances])
    for item in host.instances:
        if item.rotation and item.rotation.until:
            yield from _wrapped(f"{item.name}: old keys are accepted until {item.rotation.until}")
        for problem in item.problems:
            yield from _wrapped(f"! {item.name}: {problem}")
        for warning in item.warnings:
            yield from _wrapped(f"{item.name}: {warning}")


def _service(service: ServiceStatus | None) -> str:
    """`ok`, `-` for off, else what its unit is or, when that runs, what it answered."""
    if service is None or service.state == "off":
        return "-"
    if service.state == "healthy":
        return "ok"
    if service.unit not in RUNNING:
        return _UNITS.get(service.unit, service.unit) if service.unit else "absent"
    return {None: "silent", "000": "silent", "unhealthy": "sick"}.get(service.answer, str(service.answer))


def _uses(item: InstanceStatus) -> tuple[str, ...]:
    database, memory = item.database, item.memory
    size = "missing" if database.exists is False else _size(database.bytes)
    connections = "?" if database.connections is None else f"{database.connections}/{database.limit}"
    used = "?" if memory.used is None else str(memory.used // 2**20)
    ages = [secret.age_days for secret in item.secrets if secret.age_days is not None]
    age = "none" if not ages else f"{max(ages)} d" if all(secret.right for secret in item.secrets) else "bad"
    ends = [secret.expires for secret in item.secrets if secret.expires]
    return (
        size,
        connections,
        f"{used}/{memory.limit // 2**20}",
        age,
        min(ends)[:10] if ends else "-",
        "?" if item.pending is None else str(len(item.pending) or "no"),
        item.rotation.state if item.rotation else "no",
    )


def _size(count: int | None) -> str:
    if count is None:
        return "?"
    for unit, size in (("GB", 10**9), ("MB", 10**6)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count // 1000} kB"


def _count(changes: Sequence[str]) -> str:
    return changes[0] if len(changes) == 1 else f"{len(changes)} things"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Columns two spaces apart, one where they would not fit else; a last cell that is still too long has its own line."""
    lines = [heads, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    gap = "  " if sum(widths) + 2 * (len(widths) - 1) <= WIDTH else " "
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        whole = gap.join(cells).rstrip()
        yield from [whole] if len(whole) <= WIDTH else [gap.join(cells[:-1]).rstrip(), f"    {line[-1]}"]


def _wrapped(line: str) -> list[str]:
    """A command in a message stays whole where it can."""
    kept = re.sub(r"`[^`]{1,74}`", lambda found: found[0].replace(" ", "\0"), line)
    lines = textwrap.wrap(kept, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    return [part.replace("\0", " ") for part in lines]
