"""Age, expiry, recipients and rotation from sidecars."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from desired.instance import Instance
from desired.secret_status import Rotation, rotation, secret_problems, secret_statuses, secret_warnings
from desired.sidecar import Sidecar, time_text
from desired.usage import Usage
from tests.estates import host

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
HOST = host({"prod": {"profile": "api"}})
PROD = HOST.instances[0]
KINDS = ("anon", "db", "dbverifier", "jwt", "service")


def sidecar(kind: str = "anon", **values: Any) -> Sidecar:
    whole: dict[str, Any] = {
        "instance": "prod",
        "kind": kind,
        "secret": f"supabase-prod-{kind}",
        "recipients": HOST.recipients,
        "inputs": "0" * 64,
        "ciphertext": "0" * 64,
        "id": "0" * 16,
        "parents": {},
        "state": "current",
        "created": time_text(NOW - timedelta(days=3, hours=2)),
    }
    return Sidecar(**{**whole, **values})


def everything(**changed: Sidecar | None) -> dict[str, Sidecar | None]:
    """A sidecar for each of prod's secrets, but for those given; None stands for a damaged one."""
    return {f"supabase-prod-{kind}": changed.get(kind, sidecar(kind)) for kind in KINDS}


#: Everything is decrypted on the host, nothing known to everybody.
NAMES = frozenset(PROD.secrets.values())
ON_HOST = Usage(secrets=NAMES)


def told(
    sidecars: dict[str, Sidecar | None], usage: Usage | None = ON_HOST, deployed: bool = True
) -> tuple[list[str], list[str]]:
    statuses = secret_statuses(PROD, sidecars, HOST.recipients, usage, NOW)
    assert [status.right for status in statuses] != [True] * 5 or not list(secret_problems(PROD, statuses, deployed=deployed))
    return list(secret_problems(PROD, statuses, deployed=deployed)), list(secret_warnings(PROD, statuses))


def test_all_is_right() -> None:
    statuses = secret_statuses(PROD, everything(), HOST.recipients, ON_HOST, NOW)
    assert [status.kind for status in statuses] == list(KINDS)
    assert {(s.state, s.age_days, s.expires, s.recipients, s.on_host, s.demo) for s in statuses} == {
        ("current", 3, None, "right", True, False)
    }
    assert all(status.right for status in statuses)
    assert told(everything()) == ([], [])


@pytest.mark.parametrize(
    ("left", "problem", "warning"),
    [
        (timedelta(days=30), None, None),
        (timedelta(days=30, seconds=-1), None, "supabase-prod-anon expires on 2026-12-27, in 29 days"),
        (timedelta(0), None, "in 0 days"),
        (timedelta(seconds=-1), "supabase-prod-anon has expired on 2026-11-27", None),
        (timedelta(days=-400), "has expired on 2025-10-23", None),
    ],
)
def test_expiry(left: timedelta, problem: str | None, warning: str | None) -> None:
    problems, warnings = told(everything(anon=sidecar(expires=time_text(NOW + left))))
    for lines, expected in ((problems, problem), (warnings, warning)):
        assert len(lines) == (expected is not None)
        assert expected is None or (expected in lines[0] and "`just supabase-rotate-secrets prod`" in lines[0])


@pytest.mark.parametrize(
    ("sidecars", "usage", "deployed", "says"),
    [
        (everything(db=sidecar("db", recipients=HOST.recipients[:1])), ON_HOST, True, "supabase-prod-db: encrypted for others"),
        (
            everything(),
            Usage(secrets=ON_HOST.secrets - {"supabase-prod-jwt"}),
            True,
            "supabase-prod-jwt: not decrypted on the host",
        ),
        (everything(), Usage(), False, None),
        (everything(), None, True, None),
        (
            everything(),
            Usage(secrets=NAMES, demo=frozenset({"supabase-prod-anon"})),
            True,
            "-secret prod jwt`",
        ),
        (everything(), Usage(secrets=NAMES, demo=frozenset({"supabase-prod-db"})), True, "-secret prod db`"),
    ],
)
def test_problems(sidecars: dict[str, Sidecar | None], usage: Usage | None, deployed: bool, says: str | None) -> None:
    problems, warnings = told(sidecars, usage, deployed)
    assert warnings == []
    assert (problems == []) if says is None else (len(problems) == 1 and says in problems[0])


def test_what_is_missing_or_damaged_is_the_plan_s_to_tell() -> None:
    sidecars = everything(jwt=None)
    del sidecars["supabase-prod-db"]
    statuses = {s.kind: s for s in secret_statuses(PROD, sidecars, HOST.recipients, None, NOW)}
    assert (statuses["jwt"].state, statuses["db"].state, statuses["anon"].state) == ("damaged", "missing", "current")
    assert (statuses["jwt"].right, statuses["db"].right, statuses["anon"].right) == (False, False, True)
    assert told(sidecars) == ([], [])


def test_a_switched_off_instance_has_nothing_on_the_host() -> None:
    off: Instance = host({"prod": {"profile": "api", "enable": False}}).instances[0]
    statuses = secret_statuses(off, everything(), HOST.recipients, Usage(), NOW)
    assert list(secret_problems(off, statuses, deployed=True)) == []


def generation(name: str, state: str) -> dict[str, Sidecar | None]:
    return {f"supabase-prod-{name}": sidecar(name, state=state)}


TOMORROW, YESTERDAY = (time_text(NOW + timedelta(days=days)) for days in (1, -1))


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({}, None),
        (generation("jwt-next", "next"), Rotation("started", None, ("supabase-prod-jwt-next",))),
        (
            generation("jwt-previous", f"previous until {TOMORROW}") | generation("anon-previous", f"previous until {YESTERDAY}"),
            Rotation("overlapping", TOMORROW, ("supabase-prod-anon-previous", "supabase-prod-jwt-previous")),
        ),
        (
            generation("jwt-previous", f"previous until {YESTERDAY}"),
            Rotation("ended", YESTERDAY, ("supabase-prod-jwt-previous",)),
        ),
        (
            generation("jwt-next", "next") | generation("jwt-previous", f"previous until {TOMORROW}"),
            Rotation("started", TOMORROW, ("supabase-prod-jwt-next", "supabase-prod-jwt-previous")),
        ),
        ({"supabase-dev-jwt-next": sidecar("jwt", instance="dev", state="next")}, None),
        ({"supabase-prod-jwt-next": None}, None),
    ],
    ids=["none", "started", "overlapping", "ended", "the next one", "of another", "damaged"],
)
def test_rotation(more: dict[str, Sidecar | None], found: Rotation | None) -> None:
    assert rotation("prod", everything() | more, NOW) == found
