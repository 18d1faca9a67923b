"""`--data instance=NAME`: nothing of another instance or host changes, and a selector that says anything else is refused."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.converge import converge_checked, differences
from tests.host import Machine
from tests.lab import Lab, bare
from tests.seen import MODULE, Seen, look

PROD = ("--data", "instance=prod")


@dataclass
class Pair(Lab):
    """Prod and dev on `machine`; instance away on the `other` machine of the same inventory."""

    other: Machine = field(kw_only=True)

    def want(self, instance: str, **values: object) -> None:
        self.project.hosts[self.machine.ip]["instances"].setdefault(instance, {}).update(values)
        self.project.write()


@pytest.fixture(scope="module")
def lab(shared_machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    other = Machine.start()
    try:
        one = bare(shared_machine, tmp_path_factory.mktemp("targeted"))
        one.project.hosts[shared_machine.ip]["instances"] = one.project.data.pop("instances")
        one.project.hosts[other.ip] = {**other.pyinfra_data(), "instances": {"away": {}}}
        one.project.write()
        Lab(other, one.project).configure()
        done = one.project.converge()
        assert done.status == 0, done.output
        yield Pair(shared_machine, one.project, other=other)
    finally:
        other.stop()


def _of(seen: Seen, instance: str) -> dict[str, object]:
    """Everything of one instance: files on both sides, units, roles, database, decrypted secrets."""
    word = f"supabase-{instance}"
    # agenix makes a new generation of all decrypted files with every activation: the same contents under a new number
    files = {re.sub(r"^/run/agenix.d/\d+/", "/run/agenix/", path): what for path, what in seen.files.items()}
    return {
        "project": {path: digest for path, digest in seen.project.items() if word in path},
        "slot": seen.slots.get(instance),
        "files": {path: what for path, what in files.items() if word in path or f"/{instance}" in path},
        "units": seen.running(word),
        "roles": {role: digest for role, digest in seen.roles.digests.items() if f"supabase_{instance}" in role},
        "database": seen.databases.digests.get(f"supabase_{instance}"),
    }


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("instnace=prod", "instnace: unknown key"),
        ("instance=", "known: away, dev, prod"),
        ("instance=true", "known: away, dev, prod"),
        ("instance=[1]", "known: away, dev, prod"),
        ("instance=nope", "known: away, dev, prod"),
        ("instance=prod,dev", "known: away, dev, prod"),
        ("Instance=prod", "Instance: unknown key"),
    ],
)
def test_a_selector_that_names_nothing_is_refused_before_anything_is_touched(lab: Pair, data: str, says: str) -> None:
    before = look(lab.project, lab.machine)
    for way in (["--dry"], ["-y"]):
        run = lab.project.pyinfra(*way, "--data", data)
        assert run.status != 0
        assert says in run.output
        assert "nothing was changed" in run.output
        assert run.changes == []
    assert differences(before, look(lab.project, lab.machine)) == {}


def test_nothing_of_another_instance_or_host_changes(lab: Pair) -> None:
    lab.want("prod", log_level="error", subdomain="main")
    lab.want("dev", log_level="error")
    away = look(lab.project, lab.other)
    checked = converge_checked(lab.project, lab.machine, *PROD)
    assert checked.kinds == {
        *("prod: update file instances/prod.json", "host: rebuild the system"),
        *("prod: restart supabase-prod.service", "prod: restart supabase-prod-rest.service"),
    }
    assert _of(checked.before, "dev") == _of(checked.after, "dev")
    assert all(value not in ({}, None) for value in _of(checked.after, "dev").values())
    now = look(lab.project, lab.other)
    assert {**differences(away, now), "project": None} == {"project": None}


def test_a_full_converge_then_brings_the_rest(lab: Pair) -> None:
    assert {kind for kind in converge_checked(lab.project, lab.machine).kinds if "restart" in kind} == {
        *("dev: restart supabase-dev.service", "dev: restart supabase-dev-rest.service"),
    }


def test_a_new_instance_alone(lab: Pair) -> None:
    lab.want("fresh")
    checked = converge_checked(lab.project, lab.machine, "--data", "instance=fresh")
    assert all(kind.startswith("fresh: ") or kind == "host: rebuild the system" or ".nix" in kind for kind in checked.kinds)
    assert all("supabase-fresh" in unit for unit in checked.units_changed())


def test_drift_of_another_instance_is_left(lab: Pair) -> None:
    lab.machine.run("runuser -u postgres -- psql -qc 'ALTER ROLE supabase_dev_auth CREATEDB'; systemctl stop supabase-dev-rest")
    assert converge_checked(lab.project, lab.machine, *PROD).kinds == set()
    assert converge_checked(lab.project, lab.machine).kinds == {
        *("dev: update role supabase_dev_auth", "dev: start supabase-dev-rest.service"),
    }


@pytest.mark.parametrize(
    ("what", "on_host"),
    [
        ("the settings of the host", None),
        ("the module on the host", "echo '# edited' >> {0}default.nix"),
        ("another instance's file", "sed -i s/error/info/ {0}instances/dev.json"),
        ("another instance's secret", "cp {0}secrets/supabase-dev-anon.age {0}secrets/supabase-dev-service.age"),
    ],
)
def test_asks_for_a_full_converge_when_more_than_the_instance_would_change(lab: Pair, what: str, on_host: str | None) -> None:
    settings = lab.project.hosts[lab.machine.ip]
    lab.machine.run(f"cp -a {MODULE} /root/module")
    if on_host is None:
        settings["capacity"] = 11
    else:
        lab.machine.run(on_host.format(MODULE))
    lab.want("prod", subdomain="another")
    before = look(lab.project, lab.machine)
    for way in (["--dry"], ["-y"]):
        run = lab.project.pyinfra(*way, *PROD)
        assert run.status != 0, what
        assert "run a full converge first" in run.output
    assert differences(before, look(lab.project, lab.machine)) == {}
    settings.pop("capacity", None)
    lab.machine.run(f"rm -rf {MODULE} && mv /root/module {MODULE}")
