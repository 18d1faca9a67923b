"""Which services an instance runs, with what, and what is left of one that is off."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from desired.defaults import resolve
from desired.instance import Instance
from desired.model import InstanceData
from desired.profiles import PROFILES
from tests.nix.evaluation import LIMITS, MODULE, Lab, Library, available, instance, needs
from tests.nix.rendered import gateway_configuration, section

#: The units of each service beside the gateway's and the network's, and its user.
UNITS = {
    "restApi": ["rest.service"],
    "auth": ["auth.service", "auth-bridge.service", "auth-bridge.socket"],
    "storage": ["storage.service"],
    "imgproxy": ["imgproxy.service"],
    "realtime": ["realtime.service", "realtime-db.service", "realtime-db.socket"],
    "meta": ["meta.service", "meta-db.service", "meta-db.socket"],
    "studio": ["studio.service"],
}
#: The secrets of a service alone, with those of what goes with it.
KINDS = {"storage": ["s3"], "realtime": ["realtime"], "meta": ["dashboard", "meta"], "studio": ["dashboard"]}
ROUTES = {"restApi": "/rest/v1", "auth": "/auth/v1", "storage": "/storage/v1", "realtime": "/realtime/v1", "meta": "/pg"}


def of(system: dict[str, Any], name: str) -> set[str]:
    """The units of an instance beyond those that each has."""
    own = {f"supabase-{name}{unit}" for unit in (".service", "-net.service", ".slice")}
    found = {unit for unit in system["units"] if unit.split(".")[0].split("-")[1] == name and not unit.endswith("0.socket")}
    assert own <= found
    return {unit.removeprefix(f"supabase-{name}-") for unit in found - own}


@pytest.mark.parametrize("profile", ["api", "app", "full"])
def test_profiles(lab: Lab, library: Library, profile: str) -> None:
    """A profile sets services and limits; units, users, routes and secrets follow, written by the run or by hand."""
    lab.put("prod", instance("prod", 0, profile))
    result = lab.evaluate(library)
    assert result["failed"] == []
    system = result["system"]
    on = {service for service, is_on in instance("prod", 0, profile)["services"].items() if is_on}
    assert of(system, "prod") == {unit for service in on for unit in UNITS[service]}
    users = {name for name in system["users"] if name.startswith("supabase-prod")}
    assert users == {"supabase-prod", *(f"supabase-prod-{UNITS[service][0].removesuffix('.service')}" for service in on)}
    conf = gateway_configuration(system, "prod")
    assert {service for service, route in ROUTES.items() if f" {route}/ " in conf} == on & ROUTES.keys()
    slice_ = system["units"]["supabase-prod.slice"]
    memory, tasks = LIMITS[profile]
    limits = {"MemoryMax": f"{memory}M", "MemoryHigh": f"{memory * 3 // 4}M", "TasksMax": str(tasks)}
    assert {key: section(slice_, key) for key in limits} == {key: [value] for key, value in limits.items()}
    assert section(slice_, "SocketBindAllow") == ["tcp:20000", "tcp:20002", "tcp:20003"]
    assert section(slice_, "SocketBindDeny") == ["tcp:20000-29599"]

    (lab.tree / "instances/prod.json").unlink()
    by_hand = lab.evaluate(
        library,
        f'{{ constellation.supabase.instances.prod = {{ profile = "{profile}"; slot = 0; }}; }}',
    )
    assert by_hand["failed"] == []
    assert by_hand["system"]["units"] == system["units"]
    assert by_hand["system"]["age"] == {
        name: secret for name, secret in system["age"].items() if name != "supabase-prod-dbverifier"
    }


def test_profiles_are_the_same_for_the_run_and_for_nix() -> None:
    """desired/profiles.py and __profiles.nix; imgproxy goes with storage."""
    needs("nix-instantiate")
    shown = subprocess.run(
        ["nix-instantiate", "--eval", "--strict", "--json", MODULE / "__profiles.nix"], capture_output=True, check=True
    )
    camel = {"rest_api": "restApi"}
    assert json.loads(shown.stdout) == {
        name: {
            "limits": {"memory": profile.memory, "tasks": profile.tasks},
            "services": [
                camel.get(s, s) for s in ("rest_api", "auth", "storage", "realtime", "meta", "studio") if s in profile.services
            ],
        }
        for name, profile in PROFILES.items()
    }


@pytest.mark.parametrize("off", list(UNITS))
def test_a_service_switched_off_leaves_nothing(lab: Lab, library: Library, off: str) -> None:
    """No unit, socket, bridge, user, route, secret, container, image; the others stay as they were, but for the gateway."""
    lab.put("prod", instance("prod", 0, "full"))
    before = lab.evaluate(library)["system"]
    gone = {off} | {"storage": {"imgproxy"}, "meta": {"studio"}}.get(off, set())
    data = instance("prod", 0, "full")
    data["services"] |= dict.fromkeys(gone, False)
    data["storage"]["enable"] = data["services"]["storage"]
    # What the run lists follows the services too (test_what_the_run_writes_is_accepted); here the module's own list is judged.
    data.pop("secrets")
    lab.put("prod", data, secrets=())
    result = lab.evaluate(library)
    assert result["failed"] == []
    after = result["system"]
    assert before["age"].keys() - after["age"].keys() == {f"supabase-prod-{kind}" for kind in KINDS.get(off, ())} | {
        "supabase-prod-dbverifier"
    }
    images = json.loads((MODULE / "images.json").read_text())
    assert set(after["containers"]) == {f"supabase-prod-{service}" for service in images.keys() - gone}
    listed = Path(after["etc"]["supabase/images"]).read_text().split()
    assert sorted(listed) == sorted(image["image"] for service, image in images.items() if service not in gone)
    # By any of its names, in whatever the system is made of; storage knows of imgproxy whether it is there.
    whole = json.dumps(after) + gateway_configuration(after, "prod")
    for service in gone:
        name = UNITS[service][0].removesuffix(".service")
        assert not re.search(rf"supabase-prod-{name}\b|/prod/{name}\b", whole), name
    assert of(before, "prod") - of(after, "prod") == {unit for service in gone for unit in UNITS[service]}
    users = {f"supabase-prod-{UNITS[service][0].removesuffix('.service')}" for service in gone}
    assert before["users"].keys() - after["users"].keys() == before["groups"].keys() - after["groups"].keys() == users
    if off in ROUTES:
        assert f" {ROUTES[off]}/ " in gateway_configuration(before, "prod")
        assert f" {ROUTES[off]}/ " not in gateway_configuration(after, "prod")
    assert not [rule for rule in after["tmpfiles"] if any(f"{user} " in rule for user in users)]
    kept = {unit for unit in after["units"] if after["units"][unit] != before["units"][unit]}
    # Whether images can be made smaller is in storage's environment.
    assert kept <= {"supabase-prod.service", "supabase-prod-storage.service"}


def written(**data: Any) -> Instance:
    """What the run makes of group_data."""
    return resolve("prod", InstanceData.model_validate(data), host="h", domain="example.org", slot=0)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"profile": "api", "services": {"auth": True}},
        {
            "auth": {"site_url": "https://a.example/x?y=1", "redirect_urls": ["app://", "https://*.a.example/**"]},
            "smtp": {"host": "mail.example.org", "user": "a b@c", "sender": "a+b@example.org", "sender_name": "Ä & Ö"},
            "storage": {
                "backend": "s3",
                "s3": {"endpoint": "http://127.0.0.1:9000", "region": "eu", "bucket": "a.b"},
                "file_size_limit": 5 * 2**40,
            },
            "realtime": {"superuser": True, "max_concurrent_users": 1_000_000},
            "environment": {"rest_api": {"PGRST_DB_MAX_ROWS": "5"}, "studio": {"A": "$b 'c'"}},
            "secret_environment": {"auth": "oauth", "imgproxy": None},
            "limits": {"memory": 64, "tasks": 16},
            "jwt_secret": "mine",
        },
    ],
    ids=["defaults", "api", "everything"],
)
def test_what_the_run_writes_is_accepted(lab: Lab, library: Library, data: dict[str, Any]) -> None:
    """The instance file of the run has the options' names, and values of their types."""
    item = written(**data)
    lab.put("prod", item.option)
    result = lab.evaluate(library)
    assert result["failed"] == []
    assert result["instances"]["prod"].items() >= item.option.items()
    needed = set(result["system"]["age"])
    assert {name for name in needed if "dev" not in name} == set(item.secrets.values())


def test_hosts_memory(lab: Lab) -> None:
    """The sum of those that are enabled is what counts."""
    text = "{{ constellation.supabase = {{ hostMemory = {0}; instances.dev.enable = {1}; }}; }}"
    assert lab.evaluate(available(), text.format(1024, "true"))["failed"] == []
    assert lab.evaluate(available(), text.format(512, "false"))["failed"] == []
    (message,) = lab.evaluate(available(), text.format(1023, "true"))["failed"]
    assert "1024 MiB together" in message


def test_ports_of_the_namespace_are_apart() -> None:
    """And the gateway's own is none that an instance could have outside."""
    needs("nix-instantiate")
    shown = subprocess.run(
        ["nix-instantiate", "--eval", "--strict", "--json", MODULE / "__ports.nix"], capture_output=True, check=True
    )
    ports = json.loads(shown.stdout)
    # meta has a second listener beside its own
    assert len({*ports.values(), ports["meta"] + 1}) == len(ports) + 1
    numbers = json.loads(Path(MODULE / "numbers.json").read_text())
    assert numbers["base"] <= ports["gateway"] < numbers["base"] + numbers["span"] * numbers["slots"]
