"""What is announced of units, against the units that Nix really makes of the two module trees."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from desired.changes import Change
from desired.estate import Host
from desired.instance import camel
from desired.model import AuthData
from desired.profiles import PROFILES, SERVICES
from desired.tree import ObservedTree, Tree
from desired.unit_table import UNITS
from desired.units import unit_changes, unit_stops, units_of
from tests.estates import host
from tests.nix.evaluation import Json, Lab, available, needs
from tests.trees import MODULE, NOTHING, on_host, wanted

AWAY = {"endpoint": "https://s3.example.org", "region": "eu", "bucket": "files"}
MAILER = {"host": "smtp.example.org", "sender": "me@example.org"}
API: Mapping[str, Any] = {"profile": "api"}
#: Every field of an instance with another value than that of a default one: name of an instance to it.
FIELDS: Mapping[str, Mapping[str, Any]] = {
    "same": {},
    "api": {"profile": "api"},
    "app": {"profile": "app"},
    "subdomain": {"subdomain": "elsewhere"},
    "port": {"port": 9000},
    "debug": {"log_level": "debug"},
    "warn": {"log_level": "warn"},
    "error": {"log_level": "error"},
    "dbname": {"database": {"name": "supabase_elsewhere"}},
    "dbuser": {"database": {"user": "elsewhere"}},
    "dbcreate": {"database": {"create_database": False}},
    "rest": {"services": {"rest_api": False}},
    "auth": {"services": {"auth": False}},
    "storage": {"storage": {"enable": False}},
    "realtime": {"services": {"realtime": False}},
    "studio": {"services": {"studio": False}},
    "meta": {"services": {"studio": False, "meta": False}},
    "imgproxy": {"services": {"imgproxy": False}},
    "siteurl": {"auth": {"site_url": "https://app.example.org"}},
    "redirects": {"auth": {"redirect_urls": ["https://app.example.org/**"]}},
    "signup": {"auth": {"disable_signup": True}},
    "autoconfirm": {"auth": {"autoconfirm": True}},
    "expiry": {"auth": {"jwt_expiry": 600}},
    "authtcp": {"auth": {"database_socket": False}},
    "smtp": {"smtp": MAILER},
    "smtpuser": {"smtp": {**MAILER, "user": "me"}},
    "bucket": {"storage": {"bucket": "elsewhere"}},
    "s3": {"storage": {"backend": "s3", "s3": AWAY}},
    "filesize": {"storage": {"file_size_limit": 1}},
    "superuser": {"realtime": {"superuser": True}},
    "users": {"realtime": {"max_concurrent_users": 7}},
    "limits": {"limits": {"memory": 700, "tasks": 300}},
    **{f"env{service[:4]}": {"environment": {service: {"SOME_VARIABLE": "x"}}} for service in SERVICES},
    **{f"sec{service[:4]}": {"secret_environment": {service: f"secret-{service[:4]}"}} for service in SERVICES},
    "jwt": {"jwt_secret": "elsewhere-jwt"},
    "anon": {"anon_key": "elsewhere-anon"},
    "service": {"service_key": "elsewhere-service"},
    "dburl": {"database_url": "elsewhere-db"},
    "disabled": {"enable": False},
}
DEFAULTS: Mapping[str, Mapping[str, Any]] = {name: {} for name in FIELDS}
CHANGED: Mapping[str, Mapping[str, Any]] = FIELDS
#: An instance that has every kind of secret, and one with the fewest.
SECRETS: Mapping[str, Mapping[str, Any]] = {
    "same": {
        "auth": {"database_socket": False},
        "smtp": {**MAILER, "user": "me"},
        "storage": {"backend": "s3", "s3": AWAY},
        "services": {"imgproxy": False},
        "secret_environment": {
            service: f"supabase-same-environment-{service[:4]}" for service in SERVICES if service != "imgproxy"
        },
    },
    "api": {"profile": "api", "services": {"rest_api": False}},
    "imgproxy": {"secret_environment": {"imgproxy": "supabase-imgproxy-environment-imgp"}},
}


def fleet(instances: Mapping[str, Mapping[str, Any]] = DEFAULTS, **data: Any) -> Host:
    """Slots stay: each instance is held."""
    return host(
        instances, held={name: slot for slot, name in enumerate(FIELDS)}, **{"capacity": len(FIELDS), "edge": "none", **data}
    )


KINDS = sorted({secret.split("-", 2)[2] for item in fleet(SECRETS).instances for secret in item.secrets.values()})


def active(*hosts: Host) -> dict[str, str]:
    units = [unit for of in hosts for item in of.instances if item.enable for unit in units_of(item)]
    return dict.fromkeys(["postgresql.service", *units], "active")


def announced(now: Host, before: Host, **secrets: bytes) -> set[str]:
    """What a run announces on a host that runs `before`, all of it active. `secrets`: the kinds with a new ciphertext."""
    new = {f"supabase-{name}-{kind}": content for name in FIELDS for kind, content in secrets.items()}
    tree = wanted(now, secrets=new)
    return {str(change) for change in unit_changes(now, now.instances, tree, on_host(wanted(before)), active(before))}


@dataclass(frozen=True)
class Rendered:
    """The units that Nix makes of a host's tree."""

    lab: Lab

    def units(self, of: Host, **secrets: bytes) -> dict[str, str]:
        self.lab.host(**of.option())
        for item in of.instances:
            self.lab.put(item.name, item.option)
            for kind, content in secrets.items():
                self.lab.secret(f"supabase-{item.name}-{kind}", content.decode())
        return self.evaluated()

    def evaluated(self) -> dict[str, str]:
        """The units of the tree as it is."""
        result: Json = self.lab.evaluate(available())
        assert result["failed"] == []
        texts = {name: text for name, text in result["system"]["units"].items() if name.endswith((".service", ".socket"))}
        # The stand-in for NixOS' own module leaves out what the command line of a container is made of.
        for container in result["system"]["containers"].values():
            texts[f"{container['serviceName']}.service"] += f"\n{json.dumps(container, sort_keys=True)}"
        return texts


@pytest.fixture
def rendered(tmp_path: Path) -> Rendered:
    needs("nix-instantiate")
    return Rendered(Lab(tmp_path / "host"))


def made(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    """What NixOS' switch does to units whose text changes: only the reload trigger's line is a reload; a running socket stays
    as it is."""

    def untriggered(text: str) -> str:
        return re.sub("^X-Reload-Triggers=.*\n", "", text, flags=re.MULTILINE)

    found = {f"stop {unit}" for unit in before.keys() - after.keys()} | {f"start {unit}" for unit in after.keys() - before.keys()}
    for unit in before.keys() & after.keys():
        if unit.endswith(".socket") or "X-RestartIfChanged=false" in after[unit]:
            continue
        if untriggered(before[unit]) != untriggered(after[unit]):
            found.add(f"restart {unit}")
        elif before[unit] != after[unit]:
            found.add(f"reload {unit}")
    return found


def without_detail(changes: set[str]) -> set[str]:
    return {change.split(" (")[0] for change in changes}


def test_every_field(rendered: Rendered) -> None:
    """Exactly the units whose text changes are announced, and back again."""
    before, after = rendered.units(fleet()), rendered.units(fleet(CHANGED))
    assert len(made(before, after)) > 10
    assert without_detail(announced(fleet(CHANGED), fleet())) == made(before, after)
    assert without_detail(announced(fleet(), fleet(CHANGED))) == made(after, before)


def test_every_field_of_auth_is_in_its_text() -> None:
    (auth,) = (unit for unit in UNITS if unit.kind == "-auth.service")
    wanted = {f"auth.{camel(name)}" for name in AuthData.model_fields}
    assert {field for field in auth.fields if field.startswith("auth.")} == wanted


def test_every_pair_of_log_levels(rendered: Rendered) -> None:
    """Some services know fewer levels than group_data."""
    levels = ("debug", "info", "warn", "error")
    texts = {level: rendered.units(fleet({"same": {"log_level": level}})) for level in levels}
    for one in levels:
        for other in levels:
            hosts = [fleet({"same": {"log_level": level}}) for level in (other, one)]
            assert without_detail(announced(*hosts)) == made(texts[one], texts[other]), (one, other)


@pytest.mark.parametrize("kind", KINDS)
def test_every_secret(rendered: Rendered, kind: str) -> None:
    few, before = fleet(SECRETS), dict.fromkeys(KINDS, b"old")
    old, new = rendered.units(few, **before), rendered.units(few, **{**before, kind: b"new"})
    assert without_detail(announced(few, few, **{kind: b"new"})) == made(old, new)
    assert made(old, new) or kind in ("db", "dbverifier", "authverifier"), "PostgreSQL alone has these"


def test_the_hosts_domain(rendered: Rendered) -> None:
    instances: Mapping[str, Mapping[str, Any]] = {"same": {}, "disabled": {"enable": False}}
    here, there = fleet(instances), fleet(instances, domain="example.net")
    assert without_detail(announced(there, here)) == made(rendered.units(here), rendered.units(there)) != set()


@pytest.mark.parametrize("one", PROFILES)
@pytest.mark.parametrize("other", PROFILES)
def test_from_profile_to_profile(rendered: Rendered, one: str, other: str) -> None:
    """Whole services come and go; what stays is touched where it has to do with them."""
    before, after = fleet({"same": {"profile": one}}), fleet({"same": {"profile": other}})
    assert without_detail(announced(after, before)) == made(rendered.units(before), rendered.units(after))


def test_the_hosts_capacity_is_postgresqls(rendered: Rendered) -> None:
    """No unit of ours changes; what uses PostgreSQL restarts because it does."""
    here, there = fleet({"same": {}}), fleet({"same": {}}, capacity=100)
    units = rendered.units(here)
    assert made(units, rendered.units(there)) == set()
    requiring = {name for name, text in units.items() if re.search(r"^Requires=.*postgresql[.]target", text, re.MULTILINE)}
    assert requiring == {f"supabase-same-{service}.service" for service in ("rest", "auth", "storage", "realtime", "meta")}
    assert announced(there, here) == {
        "restart postgresql.service (capacity)",
        *(f"restart {unit} (with postgresql.service)" for unit in requiring),
    }


def test_generations_of_a_secret(rendered: Rendered) -> None:
    """A rotation's next and previous secrets reach whom the current one does; a file that is not listed does nothing."""
    one = fleet({"same": {}})
    (item,) = one.instances
    listed = {**item.option, "secrets": [*item.option["secrets"], "supabase-same-jwt-previous"]}
    before = rendered.units(one)
    rendered.lab.put("same", listed)
    after = rendered.evaluated()
    tree = on_host(wanted(one), **{"secrets/supabase-same-jwt-previous.age": "x"})
    rotated = ObservedTree(tree.digests, {"same": listed}, tree.host)
    found = {str(change) for change in unit_changes(one, one.instances, wanted(one), rotated, active(one))}
    assert without_detail(found) == made(after, before)
    assert found == {
        *(f"reload supabase-same-{service}.service (secrets)" for service in ("rest", "auth")),
        *(f"restart supabase-same-{service}.service (secrets)" for service in ("storage", "realtime", "studio")),
    }
    assert unit_changes(one, one.instances, wanted(one), tree, active(one)) == ()


def test_details_name_the_options() -> None:
    now = {"log_level": "warn", "subdomain": "x", "auth": {"autoconfirm": True}, "environment": {"meta": {"X": "hunter2"}}}
    assert announced(fleet({"same": now}), fleet({"same": {}})) == {
        "restart supabase-same.service (subdomain, logLevel)",
        "restart supabase-same-rest.service (subdomain, logLevel)",
        "restart supabase-same-auth.service (subdomain, logLevel, auth.autoconfirm)",
        "restart supabase-same-storage.service (subdomain, logLevel)",
        "restart supabase-same-realtime.service (logLevel)",
        "restart supabase-same-studio.service (subdomain)",
        "restart supabase-same-imgproxy.service (logLevel)",
        "restart supabase-same-meta.service (environment.meta)",
    }


@pytest.mark.parametrize(
    ("state", "enabled", "expected"),
    [
        ("active", True, ""),
        ("reloading", True, ""),
        ("activating", True, "start"),
        ("inactive", True, "start"),
        ("failed", True, "start"),
        ("active", False, "stop"),
        ("activating", False, "stop"),
        ("inactive", False, ""),
        ("failed", False, ""),
    ],
)
@pytest.mark.parametrize("rebuild", [True, False])
def test_states(state: str, enabled: bool, expected: str, rebuild: bool) -> None:
    """Also when no rebuild is due: a unit that somebody stopped is started."""
    one = fleet({"same": {"enable": enabled}})
    running = on_host(wanted(one)) if rebuild else None
    units = dict.fromkeys(units_of(one.instances[0]), state)
    found = unit_changes(one, one.instances, wanted(one), running, units)
    assert {change.verb for change in found} == ({expected} if expected else set())


def test_a_bare_host() -> None:
    one = fleet({"same": API})
    assert [str(change) for change in unit_changes(one, one.instances, wanted(one), NOTHING, {})] == [
        "start postgresql.service (access lines and sizes)",
        "start supabase-same-net.service",
        "start supabase-same-8000.socket",
        "start supabase-same-rest.service",
        "start supabase-same.service",
    ]


def test_another_module() -> None:
    """Its text decides, which nobody has built yet. A namespace is never restarted, nor a socket."""
    one = fleet({"same": API})
    tree = wanted(one, module={**MODULE, "default.nix": b"new"})
    assert [str(change) for change in unit_changes(one, one.instances, tree, on_host(wanted(one)), active(one))] == [
        "restart postgresql.service (if the new module changes its settings)",
        "restart supabase-same-rest.service (if the new module changes it)",
        "restart supabase-same.service (if the new module changes it)",
    ]


def test_the_edge_is_announced_too() -> None:
    one = fleet({"same": API}, edge="caddy")
    found = [str(change) for change in unit_changes(one, one.instances, wanted(one), None, active(one))]
    assert found == ["start caddy.service"]
    assert unit_changes(one, one.instances, wanted(one), None, {**active(one), "caddy.service": "active"}) == ()


def targeted(now: Host, before: Host, name: str) -> tuple[Change, ...]:
    instances = tuple(item for item in now.instances if item.name == name)
    tree: Tree = wanted(now, name)
    return unit_changes(now, instances, tree, on_host(wanted(before)), active(before))


def test_a_targeted_run_leaves_the_others() -> None:
    now = fleet({"same": {"log_level": "warn"}, "port": {"port": 9000}})
    found = targeted(now, fleet({"same": {}, "port": {}}), "same")
    assert {change.instance for change in found} == {"same"}


def test_an_activation_reaches_orphans_too() -> None:
    """An instance that this run does not name is still part of the system: stopped by hand, it is started."""
    one, both = fleet({"same": API}), fleet({"same": API, "port": API})
    found = unit_changes(one, one.instances, wanted(one), on_host(wanted(both)), active(one))
    assert {str(change) for change in found} == {f"start {unit}" for unit in units_of(both.instances[0])}


@pytest.mark.parametrize(
    "option", [{}, {"slot": 4}, {"slot": 4, "services": {}}, {"slot": 4, "enable": True, "logLevel": "warn"}]
)
def test_an_instance_file_written_by_hand(option: Mapping[str, Any]) -> None:
    """What it leaves out has the module's default."""
    one = fleet({"same": {}})
    tree = on_host(wanted(one))
    by_hand = ObservedTree(tree.digests, {"same": {**option, "port": 8000}, "old": {**option, "port": 8000}}, tree.host)
    units = {**active(one), **{unit.replace("same", "old"): state for unit, state in active(one).items()}}
    found = {str(change) for change in unit_changes(one, one.instances, wanted(one), by_hand, units)}
    assert found == (announced(fleet({"same": {}}), fleet({"same": {"log_level": "warn"}})) if "logLevel" in option else set())


def test_units_of() -> None:
    (item,) = fleet({"same": {**API, "enable": False}}).instances
    assert units_of(item) == (
        *("supabase-same-net.service", "supabase-same-8000.socket", "supabase-same-rest.service", "supabase-same.service"),
    )


@pytest.mark.parametrize("value", [{"profile": name} for name in PROFILES])
def test_an_instance_that_goes_stops_what_runs_of_it(value: Mapping[str, Any]) -> None:
    (item, other) = fleet({"same": value, "sames": value}).instances
    states = dict.fromkeys((*units_of(item), *units_of(other), "supabase-way-back.service", "sshd.service"), "active")
    assert {change.what for change in unit_stops("same", states)} == set(units_of(item))
    both, left = fleet({"same": value, "sames": value}, edge="caddy"), fleet({"sames": value}, edge="caddy")
    tree = replace(wanted(left), removed=frozenset({"same"}))
    running = on_host(wanted(both))
    found = unit_changes(left, (), tree, running, {**states, "postgresql.service": "active", "caddy.service": "active"})
    assert "supabase-same-8000.socket" in states
    stops = {f"stop {unit}" for unit in units_of(item)}
    assert {str(change) for change in found} == stops | {"reload caddy.service (virtual hosts)"}


@pytest.mark.parametrize(
    "value",
    [{"profile": name} for name in PROFILES] + [{"storage": {"backend": "s3", "s3": AWAY}}, {"services": {"rest_api": False}}],
)
def test_the_module_has_these_units_and_no_others(rendered: Rendered, value: Mapping[str, Any]) -> None:
    one = fleet({"same": value})
    assert {unit for unit in rendered.units(one) if "-same" in unit} == set(units_of(one.instances[0]))
