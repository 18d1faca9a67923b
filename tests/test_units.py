"""What is announced of units, against the units that Nix really makes of the two module trees."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from desired.changes import Change
from desired.estate import Host
from desired.tree import ObservedTree, Tree
from desired.units import unit_changes, units_of
from tests.estates import host
from tests.nix.evaluation import Json, Lab, available, needs
from tests.trees import MODULE, NOTHING, on_host, wanted

#: Every field of an instance with another value than the default: name of an instance to it.
FIELDS: Mapping[str, Mapping[str, Any]] = {
    "same": {},
    "subdomain": {"subdomain": "elsewhere"},
    "port": {"port": 9000},
    "debug": {"log_level": "debug"},
    "warn": {"log_level": "warn"},
    "error": {"log_level": "error"},
    "dbname": {"database": {"name": "supabase_elsewhere"}},
    "dbuser": {"database": {"user": "elsewhere"}},
    "dbcreate": {"database": {"create_database": False}},
    "bucket": {"storage": {"bucket": "elsewhere"}},
    "storage": {"storage": {"enable": False}},
    "realtime": {"services": {"realtime": False}},
    "auth": {"services": {"auth": False}},
    "rest": {"services": {"rest_api": False}},
    "jwt": {"jwt_secret": "elsewhere-jwt"},
    "anon": {"anon_key": "elsewhere-anon"},
    "service": {"service_key": "elsewhere-service"},
    "dburl": {"database_url": "elsewhere-db"},
    "disabled": {"enable": False},
}
DEFAULTS: Mapping[str, Mapping[str, Any]] = {name: {} for name in FIELDS}
CHANGED: Mapping[str, Mapping[str, Any]] = FIELDS
KINDS = ("jwt", "anon", "service", "db", "dbverifier")


def fleet(instances: Mapping[str, Mapping[str, Any]] = DEFAULTS, **data: Any) -> Host:
    """Slots stay: each instance is held."""
    return host(instances, held={name: slot for slot, name in enumerate(FIELDS)}, **{"capacity": 30, **data})


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
            self.lab.put(item.name, item.as_option())
            for kind, content in secrets.items():
                self.lab.secret(f"supabase-{item.name}-{kind}", content.decode())
        return self.evaluated()

    def evaluated(self) -> dict[str, str]:
        """The units of the tree as it is."""
        result: Json = self.lab.evaluate(available())
        assert result["failed"] == []
        return {name: text for name, text in result["system"]["units"].items() if name.endswith(".service")}


@pytest.fixture
def rendered(tmp_path: Path) -> Rendered:
    needs("nix-instantiate")
    return Rendered(Lab(tmp_path / "host"))


def made(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    """What NixOS' switch does to units whose text changes: only the reload trigger's line is a reload."""

    def untriggered(text: str) -> str:
        return re.sub("^X-Reload-Triggers=.*\n", "", text, flags=re.MULTILINE)

    found = {f"stop {unit}" for unit in before.keys() - after.keys()} | {f"start {unit}" for unit in after.keys() - before.keys()}
    for unit in before.keys() & after.keys():
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
    few = fleet({"same": {}, "rest": {"services": {"rest_api": False}}})
    before = dict.fromkeys(KINDS, b"old")
    old, new = rendered.units(few, **before), rendered.units(few, **{**before, kind: b"new"})
    assert without_detail(announced(few, few, **{kind: b"new"})) == made(old, new)


def test_the_hosts_domain(rendered: Rendered) -> None:
    instances: Mapping[str, Mapping[str, Any]] = {"same": {}, "disabled": {"enable": False}}
    here, there = fleet(instances), fleet(instances, domain="example.net")
    assert without_detail(announced(there, here)) == made(rendered.units(here), rendered.units(there)) != set()


def test_the_hosts_capacity_is_postgresqls(rendered: Rendered) -> None:
    """No unit of ours changes; all restart because PostgreSQL does."""
    here, there = fleet({"same": {}}), fleet({"same": {}}, capacity=31)
    assert made(rendered.units(here), rendered.units(there)) == set()
    assert announced(there, here) == {
        "restart postgresql.service (capacity)",
        "restart supabase-same.service (with postgresql.service)",
        "restart supabase-same-rest.service (with postgresql.service)",
    }


def test_generations_of_a_secret(rendered: Rendered) -> None:
    """A rotation's next and previous secrets reload; a file that is not listed does nothing."""
    one = fleet({"same": {}})
    (item,) = one.instances
    listed = {**item.as_option(), "secrets": [*item.as_option()["secrets"], "supabase-same-jwt-previous"]}
    before = rendered.units(one)
    rendered.lab.put("same", listed)
    after = rendered.evaluated()
    tree = on_host(wanted(one), **{"secrets/supabase-same-jwt-previous.age": "x"})
    rotated = ObservedTree(tree.digests, {"same": listed}, tree.host)
    found = {str(change) for change in unit_changes(one, one.instances, wanted(one), rotated, active(one))}
    assert without_detail(found) == made(after, before) == {"reload supabase-same-rest.service"}
    assert unit_changes(one, one.instances, wanted(one), tree, active(one)) == ()


def test_details_name_the_options() -> None:
    assert announced(fleet({"same": {"log_level": "warn", "subdomain": "x"}}), fleet({"same": {}})) == {
        "restart supabase-same.service (subdomain, logLevel)",
        "restart supabase-same-rest.service (subdomain, logLevel)",
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
    one = fleet({"same": {}})
    assert [str(change) for change in unit_changes(one, one.instances, wanted(one), NOTHING, {})] == [
        "start postgresql.service (access lines and sizes)",
        "start supabase-same-rest.service",
        "start supabase-same.service",
    ]


def test_another_module() -> None:
    """Its text decides, which nobody has built yet."""
    one = fleet({"same": {}})
    tree = wanted(one, module={**MODULE, "default.nix": b"new"})
    assert [str(change) for change in unit_changes(one, one.instances, tree, on_host(wanted(one)), active(one))] == [
        "restart postgresql.service (if the new module changes its settings)",
        "restart supabase-same-rest.service (if the new module changes it)",
        "restart supabase-same.service (if the new module changes it)",
    ]


def targeted(now: Host, before: Host, name: str) -> tuple[Change, ...]:
    instances = tuple(item for item in now.instances if item.name == name)
    tree: Tree = wanted(now, name)
    return unit_changes(now, instances, tree, on_host(wanted(before)), active(before))


def test_a_targeted_run_leaves_the_others() -> None:
    found = targeted(fleet({"same": {"log_level": "warn"}, "port": {"port": 9000}}), fleet({"same": {}, "port": {}}), "same")
    assert {change.instance for change in found} == {"same"}


def test_an_activation_reaches_orphans_too() -> None:
    """An instance that this run does not name is still part of the system: stopped by hand, it is started."""
    one, both = fleet({"same": {}}), fleet({"same": {}, "port": {}})
    found = unit_changes(one, one.instances, wanted(one), on_host(wanted(both)), active(one))
    assert [str(change) for change in found] == ["start supabase-port-rest.service", "start supabase-port.service"]


@pytest.mark.parametrize("option", [{}, {"slot": 3}, {"services": {}}, {"enable": True, "logLevel": "warn"}])
def test_an_instance_file_written_by_hand(option: Mapping[str, Any]) -> None:
    """What it leaves out has the module's default."""
    one = fleet({"same": {}})
    tree = on_host(wanted(one))
    by_hand = ObservedTree(tree.digests, {"same": option, "old": option}, tree.host)
    units = {**active(one), "supabase-old.service": "active", "supabase-old-rest.service": "active"}
    found = unit_changes(one, one.instances, wanted(one), by_hand, units)
    assert {change.instance for change in found} == {"same"}


def test_units_of() -> None:
    (item,) = fleet({"same": {"enable": False}}).instances
    assert units_of(item) == ("supabase-same-rest.service", "supabase-same.service")
    (item,) = fleet({"same": {"services": {"rest_api": False}}}).instances
    assert units_of(item) == ("supabase-same.service",)


def test_units_of_the_module_that_exist_are_those_we_announce() -> None:
    """A service that the module begins to serve must be added here."""
    services = Path(__file__).parents[1] / "templates/modules/supabase/__services.nix"
    served = set(re.findall(r"^  (\w+) = \{[^}\n]*unit = ", services.read_text(), re.MULTILINE))
    (item,) = fleet({"same": {}}).instances
    assert {"rest" if "rest" in unit else "gateway" for unit in units_of(item)} == served
