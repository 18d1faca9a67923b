"""`--dry --diff` writes nothing and announces exactly what the next real run makes, whatever there is to do.

One machine, one scenario after the other. `converge_checked` compares the dry run with the real one, and both with what
an observer sees on the machine and in the project; a table entry adds what is to be announced. The scenarios that say
more than that (log_level, subdomain, capacity, enable, one more instance) are in test_converge.py, by the same function.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.converge import converge_checked
from tests.host import Machine
from tests.keys import keypair
from tests.lab import Lab, bare

REBUILD = "host: rebuild the system"
RESTARTS = {f"{name}: restart supabase-{name}{part}.service" for name in ("dev", "prod") for part in ("", "-rest")}
KINDS = ("jwt", "anon", "service", "db", "dbverifier")
SECRETS = {(name, f"supabase-{name}-{kind}.age") for name in ("dev", "prod") for kind in KINDS}


@dataclass(frozen=True)
class Scenario:
    """`kinds`: what is announced and made, nothing else."""

    name: str
    change: Callable[[Lab], None]
    kinds: set[str]
    prompted: bool = False


def _port(lab: Lab) -> None:
    lab.change("dev", port=9000)


def _services_off(lab: Lab) -> None:
    lab.change("dev", services={"rest_api": False, "auth": False})


def _services_on(lab: Lab) -> None:
    lab.change("dev", services={})


def _not_served(lab: Lab) -> None:
    lab.change("dev", storage={"bucket": "elsewhere"}, services={"realtime": False})


def _domain(lab: Lab) -> None:
    lab.project.data["domain"] = "example.net"
    lab.project.write()


def _operator(lab: Lab) -> None:
    lab.project.data["operators"].append(keypair(lab.project.directory.parent / "keys", "second").public)
    lab.project.write()


def _stopped(lab: Lab) -> None:
    lab.machine.run("systemctl stop supabase-dev-rest.service")


def _edited(lab: Lab) -> None:
    lab.machine.run("echo '# edited' >> /etc/nixos/supabase/instance.nix; rm /etc/nixos/supabase/secrets/supabase-dev-anon.age")


def _drift(lab: Lab) -> None:
    sql = (
        "ALTER ROLE supabase_dev_auth CREATEDB",
        "ALTER ROLE supabase_dev PASSWORD 'somebody''s own'",
        "GRANT CONNECT ON DATABASE supabase_dev TO supabase_prod",
        "ALTER ROLE anon LOGIN",
        "COMMENT ON DATABASE supabase_prod IS NULL",
        "\\connect supabase_prod\nDROP SCHEMA graphql_public",
        "ALTER DEFAULT PRIVILEGES FOR ROLE supabase_prod IN SCHEMA public REVOKE ALL ON TABLES FROM anon",
        "DROP EVENT TRIGGER pgrst_drop_watch",
    )
    lab.machine.run("runuser -u postgres -- psql -X -q -v ON_ERROR_STOP=1 -f -", stdin=";\n".join(sql) + ";\n")


def _killed_after_upload(lab: Lab) -> None:
    lab.change("dev", log_level="warn")
    assert lab.interrupted("after", "install").status != 0


def _killed_after_activation(lab: Lab) -> None:
    lab.change("dev", log_level="debug")
    assert lab.interrupted("after", "activate").status != 0


def _killed_before_confirmation(lab: Lab) -> None:
    lab.change("dev", log_level="info")
    assert lab.interrupted("before", "confirm").status != 0


def _killed_before_databases(lab: Lab) -> None:
    lab.project.data["instances"]["late"] = {}
    lab.project.write()
    assert lab.interrupted("before", "sql").status != 0


def _orphan(lab: Lab) -> None:
    del lab.project.data["instances"]["late"]
    lab.project.write()


def _orphan_beside_a_change(lab: Lab) -> None:
    lab.machine.run("systemctl stop supabase-late.service")
    lab.change("dev", log_level="warn")


def _domain_with_orphan(lab: Lab) -> None:
    lab.project.data["domain"] = "example.com"
    lab.project.write()


def _nothing(lab: Lab) -> None:
    pass


DEV = {"dev: update file instances/dev.json", REBUILD}
DEV_RESTARTS = {change for change in RESTARTS if change.startswith("dev")}
SCENARIOS = (
    Scenario("nothing to do", _nothing, set()),
    Scenario(
        "port",
        _port,
        DEV | {"dev: restart supabase-dev.service", "dev: stop supabase-dev-8000.socket", "dev: start supabase-dev-9000.socket"},
    ),
    Scenario("services off", _services_off, DEV | {"dev: restart supabase-dev.service", "dev: stop supabase-dev-rest.service"}),
    Scenario("services on", _services_on, DEV | {"dev: restart supabase-dev.service", "dev: start supabase-dev-rest.service"}),
    Scenario("services not served yet", _not_served, DEV),
    Scenario("domain", _domain, {"host: update file host.json", REBUILD, *RESTARTS}, prompted=True),
    Scenario(
        "operator added",
        _operator,
        {
            *(f"{name}: re-encrypt {secret}" for name, secret in SECRETS),
            *(f"{name}: update file secrets/{secret}" for name, secret in SECRETS),
            *(restart.replace("restart", "reload") for restart in RESTARTS),
            *("host: update secrets/supabase.nix", REBUILD),
        },
        prompted=True,
    ),
    Scenario("unit stopped by hand", _stopped, {"dev: start supabase-dev-rest.service"}),
    Scenario(
        "files on the host edited",
        _edited,
        {"host: update file instance.nix", "dev: create file secrets/supabase-dev-anon.age"},
    ),
    Scenario(
        "roles and grants changed",
        _drift,
        {
            *("host: update role anon", "dev: update role supabase_dev", "dev: update role supabase_dev_auth"),
            *("dev: update database supabase_dev", "prod: update database supabase_prod"),
            "prod: update schemas of database supabase_prod",
        },
    ),
    Scenario("killed after the upload", _killed_after_upload, {REBUILD, *DEV_RESTARTS}),
    Scenario("killed after the activation", _killed_after_activation, {REBUILD}),
    Scenario("killed before the confirmation", _killed_before_confirmation, {REBUILD}),
    Scenario(
        "new instance, killed before its database",
        _killed_before_databases,
        {
            REBUILD,
            *(f"late: create role supabase_late{part}" for part in ("", "_auth", "_authenticator", "_realtime", "_storage")),
            *("late: create database supabase_late", "late: create schemas of database supabase_late"),
            *(f"late: start supabase-late{unit}" for unit in ("-net.service", "-8003.socket", "-rest.service", ".service")),
            "late: create marker database-ready",
        },
    ),
    Scenario("orphan", _orphan, set()),
    Scenario(
        "orphan's unit stopped by hand, another instance changed",
        _orphan_beside_a_change,
        {*DEV, *DEV_RESTARTS, "late: start supabase-late.service"},
    ),
    Scenario(
        "domain, with an orphan on the host",
        _domain_with_orphan,
        {
            *("host: update file host.json", REBUILD, *RESTARTS),
            *("late: restart supabase-late.service", "late: restart supabase-late-rest.service"),
        },
    ),
)


@pytest.fixture(scope="module")
def lab(shared_machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A machine that never had PostgreSQL, and a project that wants, beside two ordinary instances, one that is off."""
    lab = bare(shared_machine, tmp_path_factory.mktemp("dry"))
    lab.configure(imports="imports = [ <agenix/modules/age.nix> ]; services.openssh.enable = true;")
    shared_machine.run("nixos-rebuild switch && rm -rf /var/lib/postgresql", timeout=120)
    lab.configure()
    return lab


def test_bare_host(lab: Lab) -> None:
    lab.project.data["instances"]["dev"]["database"] = {"user": "app_dev"}
    lab.project.data["instances"]["off"] = {"enable": False}
    lab.project.write()
    checked = converge_checked(lab.project, lab.machine)
    assert {"host: start postgresql.service", "dev: create role app_dev", "off: create slot 1"} <= checked.kinds
    assert not [kind for kind in checked.kinds if kind.startswith("off: create role") or "supabase-off.service" in kind]
    del lab.project.data["instances"]["off"]
    lab.project.write()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_scenario(lab: Lab, scenario: Scenario) -> None:
    scenario.change(lab)
    assert converge_checked(lab.project, lab.machine, prompted=scenario.prompted).kinds == scenario.kinds
