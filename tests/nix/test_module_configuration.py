"""What a configuration becomes: users, units, settings of PostgreSQL."""

import json
import time
from pathlib import Path

import pytest

from tests.nix.evaluation import MODULE, Lab, Library, available, instance
from tests.nix.rendered import gateway_configuration, section


def test_two_instances(lab: Lab, library: Library) -> None:
    """Each instance has its users, its slice, its units and its secrets."""
    result = lab.evaluate(library)
    system = result["system"]
    assert result["failed"] == []
    assert set(system["units"]) == {
        "supabase-way-back-boot.service",
        "supabase-prod-8000.socket",
        "supabase-dev-8001.socket",
        *(
            f"supabase-{name}{unit}"
            for name in ("prod", "dev")
            for unit in (".service", "-net.service", "-rest.service", ".slice")
        ),
    }
    assert {name: user["uid"] for name, user in system["users"].items()} == {
        "supabase-prod": 20000,
        "supabase-prod-rest": 20001,
        "supabase-dev": 20016,
        "supabase-dev-rest": 20017,
    }
    assert system["groups"] == {name: user["uid"] for name, user in system["users"].items()}
    assert all(user["isSystemUser"] and user["group"] == name for name, user in system["users"].items())
    assert set(system["age"]) == {
        f"supabase-{name}-{kind}" for name in ("prod", "dev") for kind in ("anon", "db", "dbverifier", "jwt", "service")
    }
    assert {(secret["mode"], secret["owner"]) for secret in system["age"].values()} == {("0400", "0")}
    assert system["tmpfiles"] == [f"d /var/lib/supabase{d} 0755 root root -" for d in ("", "/dev", "/prod")]


def test_every_unit_waits_for_its_database(lab: Lab, library: Library) -> None:
    """A first switch succeeds without a database, a reboot needs no run, a slow start is tried again for ever."""
    lab.put("prod", instance("prod", 0, "full"))
    units = lab.evaluate(library)["system"]["units"]
    for name, unit in units.items():
        if name.endswith((".service", ".socket")) and name != "supabase-way-back-boot.service":
            owner = name.split(".")[0].split("-")[1]
            assert section(unit, "ConditionPathExists") == [f"/var/lib/supabase/{owner}/database-ready"], name
            assert section(unit, "Slice") == [f"supabase-{owner}.slice"], name
            restart = section(unit, "Restart")
            assert restart == ["always"] or "RemainAfterExit=true" in unit or name.endswith(".socket"), name
    with_login = {name for name, unit in units.items() if "postgresql.target" in " ".join(section(unit, "Requires"))}
    assert with_login == {
        "supabase-dev-rest.service",
        *(f"supabase-prod-{service}.service" for service in ("auth", "meta", "realtime", "rest", "storage")),
    }
    # A request that starts the gateway in the middle of a switch must not start the old PostgreSQL with it.
    assert section(units["supabase-prod.service"], "Requires") == ["supabase-prod-8000.socket supabase-prod-net.service"]


def test_rest_enters_by_peer_and_carries_no_secret(lab: Lab, library: Library) -> None:
    """PostgREST's environment names a socket, a login without a password and the file of the key set."""
    unit = lab.evaluate(library)["system"]["units"]["supabase-prod-rest.service"]
    environment = dict(word.strip('"').split("=", 1) for word in section(unit, "Environment"))
    assert environment == {
        "GHCRTS": "-V0",
        "PGRST_DB_ANON_ROLE": "anon",
        "PGRST_DB_CONFIG": "false",
        "PGRST_DB_EXTRA_SEARCH_PATH": "public,extensions",
        "PGRST_DB_MAX_ROWS": "1000",
        "PGRST_DB_POOL": "4",
        "PGRST_DB_SCHEMAS": "public,graphql_public",
        "PGRST_DB_URI": "postgresql://supabase_prod_authenticator@/supabase_prod?host=/run/postgresql&port=5432",
        "PGRST_DB_USE_LEGACY_GUCS": "false",
        "PGRST_JWT_SECRET": "@/run/supabase/prod/rest/jwks.json",
        "PGRST_LOG_LEVEL": "warn",
        "PGRST_OPENAPI_SERVER_PROXY_URI": "https://supabase.example.org/rest/v1",
        "PGRST_SERVER_UNIX_SOCKET": "/run/supabase/prod/rest/rest.sock",
        "PGRST_SERVER_UNIX_SOCKET_MODE": "660",
    }


@pytest.mark.parametrize(("level", "rest"), [("debug", "info"), ("info", "warn"), ("warn", "error"), ("error", "error")])
def test_log_level(lab: Lab, level: str, rest: str) -> None:
    """Of requests, PostgREST's warn are those refused, and info is every one."""
    lab.put("prod", instance("prod", 0, logLevel=level))
    unit = lab.evaluate(available())["system"]["units"]["supabase-prod-rest.service"]
    assert f'"PGRST_LOG_LEVEL={rest}"' in section(unit, "Environment")


def test_an_instance_switched_off_keeps_its_users_and_nothing_runs(lab: Lab, library: Library) -> None:
    """enable = false stops units; files keep their owners, and no secret is decrypted."""
    lab.put("prod", instance("prod", 0, enable=False))
    system = lab.evaluate(library)["system"]
    assert not [unit for unit in system["units"] if "prod" in unit]
    assert {"supabase-prod", "supabase-prod-rest"} <= set(system["users"])
    assert not [secret for secret in system["age"] if "prod" in secret]
    assert "d /var/lib/supabase/prod 0755 root root -" in system["tmpfiles"]


def test_empty_tree_changes_nothing(tmp_path: Path, library: Library) -> None:
    """Imported before the first run, the module leaves the host alone."""
    result = Lab(tmp_path / "host").evaluate(library, modules=["default.nix"])
    assert not result["enabled"]
    assert not result["system"]["postgresql"]["enable"]
    assert (result["system"]["units"], result["system"]["etc"], result["system"]["users"]) == ({}, {}, {})


PLAN = """{
  constellation.supabase.enable = true;
  constellation.supabase.instances = {
    prod = {
      enable = true;
      subdomain = "supabase";
      jwtSecret = "supabase-prod-jwt";
      anonKey = "supabase-prod-anon";
      serviceKey = "supabase-prod-service";
      databaseUrl = "supabase-prod-db";
    };
    dev = {
      enable = true;
      subdomain = "supabase-dev";
      jwtSecret = "supabase-dev-jwt";
      anonKey = "supabase-dev-anon";
      serviceKey = "supabase-dev-service";
      databaseUrl = "supabase-dev-db";
    };
  };
}"""


def test_written_by_hand_as_in_the_plan(tmp_path: Path, library: Library) -> None:
    """Without any file of a run: the plan's defaults, numbers that do not depend on the other instance."""
    lab = Lab(tmp_path / "host")
    for name in ("prod", "dev"):
        for kind in ("jwt", "anon", "service", "db", "realtime", "dashboard", "meta", "s3"):
            lab.secret(f"supabase-{name}-{kind}", "ciphertext")
    result = lab.evaluate(library, PLAN)
    assert result["failed"] == []
    assert len(result["system"]["age"]) == 16
    prod = result["instances"]["prod"]
    assert 300 <= prod["slot"] < 600
    written = instance("prod", prod["slot"], "full", subdomain="supabase")
    # What only the run knows: that SQL reads a verifier.
    written["secrets"].remove("supabase-prod-dbverifier")
    assert sorted(prod.pop("secrets")) == written.pop("secrets")
    written["storage"]["enable"] = None
    named = ("authDatabaseUrl", "dashboardPassword", "metaKey", "realtimeSecret", "s3BackendKey", "s3Key", "smtpPassword")
    kinds = ("authdb", "dashboard", "meta", "realtime", "s3backend", "s3", "smtp")
    assert prod == written | {name: f"supabase-prod-{kind}" for name, kind in zip(named, kinds, strict=True)}
    alone = lab.evaluate(library, PLAN.replace("dev = {\n      enable = true", "dev = {\n      enable = false"))
    alone["instances"]["prod"].pop("secrets")
    assert alone["instances"]["prod"] == prod


def test_nix_overrides_single_values_and_adds_instances(lab: Lab, library: Library) -> None:
    """What the run writes are defaults, value by value."""
    lab.secret("mine", "ciphertext")
    result = lab.evaluate(
        library,
        """{ constellation.supabase = {
          domain = "example.net";
          instances.prod = { logLevel = "debug"; database.createDatabase = false; };
          instances.test = {
            profile = "api";
            slot = 7;
            jwtSecret = "/run/a"; anonKey = "/run/b"; serviceKey = "/run/c"; databaseUrl = "/run/d";
          };
        }; }""",
    )
    assert result["failed"] == []
    written = instance("prod", 0, subdomain="supabase", logLevel="debug")
    written["database"]["createDatabase"] = False
    assert result["instances"]["prod"].items() >= written.items()
    assert result["instances"]["test"]["port"] == 8007
    assert "X-Forwarded-Host supabase.example.net;" in gateway_configuration(result["system"], "prod")


@pytest.mark.parametrize("count", [1, 10, 100])
def test_many_instances(tmp_path: Path, library: Library, count: int) -> None:
    """Numbers stay apart, and PostgreSQL's text does not depend on the instances (it would restart)."""
    lab = Lab(tmp_path / "host")
    lab.host(capacity=100)
    for slot in range(count):
        lab.put(f"i{slot}", instance(f"i{slot}", slot, "full"))
    start = time.monotonic()
    result = lab.evaluate(library)
    print(f"{count} instances with every service, {library.name}'s lib: {time.monotonic() - start:.1f} s")
    assert result["failed"] == []
    uids = [user["uid"] for user in result["system"]["users"].values()]
    assert len(set(uids)) == len(uids) == 8 * count
    assert len(result["system"]["users"]) == len(uids)
    postgresql = result["system"]["postgresql"]
    assert postgresql["settings"]["max_connections"] == 45 * 100 + 20
    assert postgresql["settings"]["wal_level"] == "logical"
    assert "i0" not in json.dumps(postgresql)


def test_postgresql(lab: Lab, library: Library) -> None:
    """Our lines come first, and end with a refusal of our own logins only."""
    postgresql = lab.evaluate(library)["system"]["postgresql"]
    lines = [line.split() for line in postgresql["authentication"].splitlines() if line]
    assert lines[:7] == [
        ["local", "/^supabase_", "+supabase_login", "peer", "map=supabase"],
        ["host", "/^supabase_", "+supabase_login", "127.0.0.1/32", "scram-sha-256"],
        ["host", "/^supabase_", "+supabase_login", "::1/128", "scram-sha-256"],
        ["local", "all", "+supabase_login", "reject"],
        ["host", "all", "+supabase_login", "all", "reject"],
        ["local", "replication", "+supabase_login", "reject"],
        ["host", "replication", "+supabase_login", "all", "reject"],
    ]
    assert [line.split()[1:] for line in postgresql["identMap"].splitlines()] == [
        ["/^supabase-([a-z0-9]+)-auth$", "supabase_\\1_auth"],
        ["/^supabase-([a-z0-9]+)-meta$", "supabase_\\1"],
        ["/^supabase-([a-z0-9]+)-realtime$", "supabase_\\1_realtime"],
        ["/^supabase-([a-z0-9]+)-rest$", "supabase_\\1_authenticator"],
        ["/^supabase-([a-z0-9]+)-storage$", "supabase_\\1_storage"],
    ]


@pytest.mark.parametrize(
    "modules",
    [["default.nix"], ["instance.nix"], ["secrets.nix"], ["default.nix", "instance.nix", "secrets.nix"]],
    ids=lambda modules: "+".join(m.removesuffix(".nix") for m in modules),
)
def test_each_file_is_a_module(lab: Lab, library: Library, modules: list[str]) -> None:
    """A repository that imports every .nix file but `__*` (haumea) imports these, once or twice."""
    expected = {p.name for p in MODULE.glob("*.nix") if not p.name.startswith("__")}
    assert expected == {"default.nix", "instance.nix", "secrets.nix"}
    result = lab.evaluate(library, modules=modules)
    assert result["failed"] == []
    if "default.nix" in modules:
        assert result == lab.evaluate(library)
