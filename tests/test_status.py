"""The report as a document and as text: states add up, every field is described, nothing is wider than a terminal."""

import json
import re
from dataclasses import replace
from itertools import combinations_with_replacement

import pytest

from desired.orphan_places import Orphan
from desired.secret_status import Rotation, SecretStatus
from desired.status import (
    DatabaseStatus,
    HostStatus,
    InstanceStatus,
    MemoryStatus,
    PostgresqlStatus,
    Report,
    ServiceStatus,
    State,
    worst,
)
from reports.status_text import WIDTH, text
from tests.project import ROOT
from tests.test_host_status import judged

HOST, PROD = judged()
STATES: tuple[State, ...] = ("healthy", "unhealthy", "unknown", "off")


@pytest.mark.parametrize("states", list(combinations_with_replacement(STATES, 3)))
def test_worst(states: tuple[State, ...]) -> None:
    """One of them, and never healthy where something is not, or is not known."""
    found = worst(states)
    assert found in states
    if "unhealthy" in states:
        assert found == "unhealthy"
    elif "unknown" in states:
        assert found == "unknown"


def test_orphans_are_a_problem() -> None:
    assert Report((HOST,), ()).state == "healthy"
    assert Report((HOST,), (Orphan("old", None, ("slot",)),)).state == "unhealthy"


def keys(value: object, prefix: str = "") -> set[str]:
    """Every key of a document, `hosts[].name`."""
    if isinstance(value, list | tuple):
        return set().union(*(keys(item, prefix) for item in value))
    if not isinstance(value, dict):
        return set()
    found = set()
    for name, inner in value.items():
        name = "<service>" if prefix.endswith(".services") else name
        path = f"{prefix}.{name}".lstrip(".")
        found |= {path} | keys(inner, f"{path}[]" if isinstance(inner, list | tuple) else path)
    return found


FULL = replace(PROD, rotation=Rotation("started", None, ("supabase-prod-jwt-next",)))
REPORT = Report((replace(HOST, instances=(FULL,)),), (Orphan("old", "server", ("slot",)),))


def test_every_field_is_documented_and_nothing_else() -> None:
    page = (ROOT / "docs/status.md").read_text(encoding="utf-8").partition("## The document")[2]
    documented = set(re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE))
    assert documented == keys(json.loads(json.dumps(REPORT.document())))
    assert f"version `{REPORT.document()['version']}`" in page


NAME = "m" * 13
LONG = InstanceStatus(
    name=NAME,
    state="unhealthy",
    url=f"https://supabase-{NAME}.a-rather-long-domain.example.org",
    slot=599,
    port=65535,
    enabled=True,
    services={
        kind: ServiceStatus("unhealthy", unit, answer)
        for kind, unit, answer in (
            *(("gateway", "active", "000"), ("rest", "failed", "503"), ("auth", "deactivating", "502")),
            *(("storage", "activating", None), ("realtime", "active", "unhealthy"), ("meta", "inactive", None)),
            *(("studio", None, None), ("imgproxy", "reloading", "404")),
        )
    },
    database=DatabaseStatus(f"supabase_{NAME}", True, 999_900_000_000, 45, 45),
    memory=MemoryStatus(65536 * 2**20, 65536 * 2**20),
    secrets=(SecretStatus("x", "anon", "current", age_days=1825, expires="2031-11-27T00:00:00Z", recipients="right"),),
    rotation=Rotation("overlapping", "2026-11-28T12:00:00Z", ("y",)),
    pending=tuple(f"update file {number}" for number in range(1000)),
    problems=("something is wrong; " * 10 + f"`just supabase-update-secret {NAME} jwt` makes a new one",),
    warnings=(f"it will be; `just supabase-rotate-secrets {NAME}`",),
)


def _host(*items: InstanceStatus, reason: str | None = None) -> HostStatus:
    server = PostgresqlStatus(True, 180001, 27020, 27020)
    problems = ("the way back is armed since yesterday",)
    return HostStatus("host.example.org", "nixos", "unhealthy", reason, server, "returned", ("restart it",), problems, items)


def test_nothing_is_wider_than_a_terminal() -> None:
    report = Report(
        (_host(LONG, FULL), _host(PROD, reason="no route to the host " * 8)), (Orphan(NAME, "h" * 30, ("data",) * 8),)
    )
    lines = text(report).splitlines()
    assert max(map(len, lines)) <= WIDTH, max(lines, key=len)
    whole = "\n".join(lines)
    assert f"\n    {LONG.url}\n" in whole
    # What a person copies is in one piece.
    assert f"`just supabase-update-secret {NAME} jwt`" in whole
    assert f"`just supabase-delete {NAME}`" in whole


def test_what_a_person_reads() -> None:
    lines = [line.split() for line in text(Report((_host(LONG),), ())).splitlines()]
    assert [NAME, "silent", "failed", "stops", "starts", "sick", "down", "absent", "404"] in lines
    assert [NAME, "999.9", "GB", "45/45", "65536/65536", "1825", "d", "2031-11-27", "1000", "overlapping"] in lines
    assert f"{NAME}: old keys are accepted until 2026-11-28T12:00:00Z".split() in lines


@pytest.mark.parametrize(
    ("size", "shown"), [(None, "?"), (7_500_000, "7.5 MB"), (12_340_000_000, "12.3 GB"), (999_000, "999 kB"), (0, "0 kB")]
)
def test_sizes(size: int | None, shown: str) -> None:
    item = replace(PROD, database=replace(PROD.database, bytes=size))
    assert re.search(rf"^prod +{re.escape(shown)} +4/45 ", text(Report((_host(item),), ())), re.MULTILINE)


def test_a_missing_database_and_bad_secrets_show() -> None:
    item = replace(PROD, database=replace(PROD.database, exists=False), secrets=(replace(PROD.secrets[0], demo=True),))
    assert re.search(r"^prod +missing +4/45 .* bad ", text(Report((_host(item),), ())), re.MULTILINE)
