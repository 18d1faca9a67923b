"""From what a host tells to states: what is unhealthy, what is unknown, and what is said of it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from desired.answer import Answer, Pending
from desired.changes import Change
from desired.cluster_state import Absent, Unreachable
from desired.host_state import HostState, parse_state
from desired.host_status import host_status
from desired.instance import Instance
from desired.revision import Revision
from desired.status import HostStatus, InstanceStatus
from desired.tree import ObservedTree
from desired.units import units_of
from desired.usage import DatabaseUse, Memory, ServerUse, Usage
from tests.estates import host
from tests.test_orphan_places import EMPTY, database
from tests.test_secret_status import NOW, sidecar

HOST = host({"prod": {"profile": "full", "auth": {"autoconfirm": True}}, "dev": {"profile": "api"}, "off": {"enable": False}})
ITEMS = {item.name: item for item in HOST.instances}
NOTHING = Pending(())


def running(*items: Instance) -> dict[str, str]:
    return {unit: "active" for item in items for unit in units_of(item)}


SYSTEM: HostState = replace(
    parse_state(()),
    revision=Revision("m", "c", {"prod": "d", "dev": "d", "off": "d"}),
    units=running(ITEMS["prod"], ITEMS["dev"]),
)
HEALTH = {("prod", service): "ok" for service in ("gateway", "rest", "auth", "storage", "realtime", "meta", "studio")} | {
    ("dev", service): "ok" for service in ("gateway", "rest")
}
USES = {item.database: DatabaseUse(8_000_000, 4, 45) for item in HOST.instances}
USAGE = Usage(
    server=ServerUse(170002, 12, 470, USES),
    memory={"supabase-prod.slice": Memory(100 * 2**20, 2048 * 2**20), "supabase-dev.slice": Memory(None, None)},
    secrets=frozenset(name for item in HOST.instances for name in item.secrets.values()),
)
CLUSTER = replace(EMPTY, databases={item.database: database(None) for item in HOST.instances})
WELL = Answer(SYSTEM, ObservedTree({}, {}, {}), CLUSTER, HEALTH, USAGE)
SIDECARS = {
    name: sidecar(kind, instance=item.name, secret=name, recipients=HOST.recipients)
    for item in HOST.instances
    for kind, name in item.secrets.items()
}


def judged(answer: Answer | str = WELL, pending: Pending = NOTHING, of: str = "prod") -> tuple[HostStatus, InstanceStatus]:
    found = host_status(HOST, HOST.instances, answer, pending, SIDECARS, NOW)
    return found, next(item for item in found.instances if item.name == of)


def test_all_is_well() -> None:
    found, prod = judged()
    assert (found.state, found.reason, found.problems, found.pending) == ("healthy", None, (), ())
    assert [(item.name, item.state) for item in found.instances] == [("dev", "healthy"), ("off", "off"), ("prod", "healthy")]
    assert {name: service.state for name, service in prod.services.items()} == dict.fromkeys(
        ("gateway", "rest", "auth", "storage", "realtime", "meta", "studio", "imgproxy"), "healthy"
    )
    # It is behind storage, and nobody asks it.
    assert prod.services["imgproxy"].answer is None
    assert (prod.database.bytes, prod.database.connections, prod.database.limit) == (8_000_000, 4, 45)
    assert (prod.memory.used, prod.memory.limit) == (100 * 2**20, 2048 * 2**20)
    assert judged(of="dev")[1].memory.limit == ITEMS["dev"].memory * 2**20


def test_a_host_that_did_not_answer() -> None:
    found, prod = judged("no route to host", Pending(None))
    assert (found.state, found.reason, found.pending, found.postgresql.answers) == ("unknown", "no route to host", None, None)
    assert {item.state for item in found.instances} == {"unknown"}
    assert (prod.services, prod.pending, prod.database.exists) == ({}, None, None)
    assert len(prod.secrets) == len(ITEMS["prod"].secrets)


def units(**states: str) -> HostState:
    changed = {f"supabase-{name.replace('__', '-')}.service": state for name, state in states.items()}
    return replace(SYSTEM, units={unit: state for unit, state in {**SYSTEM.units, **changed}.items() if state != "gone"})


def health(**answers: str) -> Mapping[tuple[str, str], str]:
    return {**HEALTH, **{("prod", service): answer for service, answer in answers.items()}}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"system": units(prod__rest="failed")}, "rest: its unit is failed; on the host: journalctl -u supabase-prod-rest"),
        ({"system": units(prod__auth="gone")}, "auth: its unit is not there; on the host: journalctl -u supabase-prod-auth"),
        ({"system": units(prod="inactive")}, "gateway: its unit is inactive; on the host: journalctl -u supabase-prod"),
        ({"system": units(prod__imgproxy="failed")}, "imgproxy: its unit is failed"),
        ({"system": units(prod__net="failed")}, "supabase-prod-net.service is failed; on the host"),
        ({"system": units(prod__rest="reloading")}, None),
        ({"health": health(auth="502")}, "auth: answers HTTP 502"),
        ({"health": health(realtime="unhealthy")}, "realtime: says that it is unhealthy"),
        ({"health": health(studio="000")}, "studio: does not answer"),
        ({"health": {key: seen for key, seen in HEALTH.items() if key[1] != "meta"}}, "meta: does not answer"),
        ({"system": units(prod__rest="failed"), "health": health(rest="503")}, "rest: its unit is failed, answers HTTP 503"),
        ({"system": replace(SYSTEM, revision=Revision("m", "c", {"dev": "d"}))}, "it is not on the host yet"),
        ({"system": replace(SYSTEM, revision=None)}, "it is not on the host yet"),
        ({"cluster": replace(CLUSTER, databases={})}, "its database supabase_prod does not exist"),
        (
            {"usage": replace(USAGE, server=ServerUse(170002, 12, 470, {"supabase_prod": DatabaseUse(1, 41, 45)}))},
            "its database has 41 of 45 connections",
        ),
        ({"usage": replace(USAGE, server=ServerUse(170002, 12, 470, {"supabase_prod": DatabaseUse(1, 99, -1)}))}, None),
        ({"usage": replace(USAGE, secrets=USAGE.secrets - {"supabase-prod-jwt"})}, "supabase-prod-jwt: not decrypted"),
    ],
)
def test_an_instance(changed: dict[str, Any], says: str | None) -> None:
    found, prod = judged(replace(WELL, **changed))
    if says is None:
        assert (found.state, prod.problems) == ("healthy", ())
        return
    assert (found.state, prod.state) == ("unhealthy", "unhealthy")
    assert len(prod.problems) == 1
    assert says in prod.problems[0]


def test_a_silent_gateway_is_one_problem() -> None:
    silent = {key: seen for key, seen in HEALTH.items() if key[0] != "prod"}
    _, prod = judged(replace(WELL, health=silent))
    assert [problem.partition(";")[0] for problem in prod.problems] == ["its gateway does not answer on 127.0.0.1:8002"]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"cluster": Absent("no socket")}, "PostgreSQL does not answer: no socket; `systemctl status postgresql`"),
        ({"cluster": Unreachable("denied")}, "PostgreSQL does not answer: denied"),
        ({"usage": replace(USAGE, server=ServerUse(170002, 423, 470, USES))}, "PostgreSQL has 423 of 470 connections"),
        ({"usage": replace(USAGE, server=ServerUse(170002, 422, 470, USES))}, None),
        ({"system": replace(SYSTEM, armed="2026-11-22 by ada")}, "the way back is armed since 2026-11-22 by ada"),
    ],
)
def test_the_host_itself(changed: dict[str, Any], says: str | None) -> None:
    found, prod = judged(replace(WELL, **changed))
    assert [problem for problem in found.problems if says is None or says not in problem] == []
    assert found.state == ("healthy" if says is None else "unhealthy")
    if "cluster" in changed:
        assert (prod.state, prod.database.exists, found.postgresql.answers) == ("unknown", None, False)


def test_switched_off_but_running() -> None:
    system = replace(SYSTEM, units={**SYSTEM.units, "supabase-off-rest.service": "active"})
    found, off = judged(replace(WELL, system=system), of="off")
    assert (found.state, off.state) == ("unhealthy", "unhealthy")
    assert "switched off, but supabase-off-rest.service runs" in off.problems[0]


def test_pending() -> None:
    changes = (Change(None, "rebuild", "the system"), Change("prod", "update", "file x"), Change("dev", "stop", "y"))
    found, prod = judged(pending=Pending(changes))
    assert (found.pending, prod.pending) == (("rebuild the system",), ("update file x",))
    assert found.state == "healthy"
    found, prod = judged(pending=Pending(changes, {"prod": "a damaged file"}))
    assert (found.state, prod.pending, prod.problems) == ("unhealthy", None, ("a deploy would stop: a damaged file",))
    assert found.instances[0].state == "healthy"
    found, prod = judged(pending=Pending(None, {"": "a foreign role"}))
    assert (found.problems, found.pending, prod.pending) == (("a deploy would stop: a foreign role",), None, None)


def test_a_sandbox_has_no_system() -> None:
    found, prod = judged(replace(WELL, system=None, health={}, usage=replace(USAGE, secrets=frozenset())))
    assert (found.state, prod.state, prod.services) == ("healthy", "healthy", {})
    assert {secret.on_host for secret in prod.secrets} == {None}
