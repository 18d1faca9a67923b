"""Wrong configurations, each with the message it gets."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from desired import names
from tests.nix.evaluation import MODULE, EvaluationError, Lab, Library, instance, needs


def nix(text: str) -> Callable[[Lab], str]:
    return lambda _: f"{{ lib, ... }}: {{ constellation.supabase = {{ {text} }}; }}"


def put(name: str, slot: int, **changes: Any) -> Callable[[Lab], str]:
    def change(lab: Lab) -> str:
        lab.put(name, instance(name, slot, **changes))
        return "{ }"

    return change


def without(secret: str) -> Callable[[Lab], str]:
    def change(lab: Lab) -> str:
        (lab.tree / f"secrets/{secret}.age").unlink()
        return "{ }"

    return change


def postgresql(setting: str) -> Callable[[Lab], str]:
    return lambda _: f"{{ pkgs, ... }}: {{ services.postgresql.{setting}; }}"


AT = "constellation.supabase.instances"
ASSERTED: dict[str, tuple[Callable[[Lab], str], list[str]]] = {
    "port of another": (put("dev", 1, port=8000), ["port 8000", f"{AT}.dev and {AT}.prod", "another port"]),
    "port of PostgreSQL": (put("dev", 1, port=5432), ["port 5432", f"{AT}.dev and services.postgresql"]),
    "internal port": (put("dev", 1, port=20001), [f"{AT}.dev.port: 20001", "20000 to 29599"]),
    "slot of another": (put("dev", 0, port=8001), ["slot 0", f"{AT}.dev and {AT}.prod", "0 to 599"]),
    "subdomain": (put("dev", 1, subdomain="supabase"), ["subdomain supabase", f"{AT}.dev and {AT}.prod"]),
    "database": (nix('instances.dev.database.name = "supabase_prod";'), ["database supabase_prod", "another database.name"]),
    "owner of another": (nix('instances.dev.database.user = "supabase_prod";'), ["login supabase_prod", "database.user"]),
    "service login": (nix('instances.dev.database.user = "supabase_dev_auth";'), ["login supabase_dev_auth"]),
    "secret of another": (nix('instances.dev.jwtSecret = "supabase-prod-jwt";'), ["secret supabase-prod-jwt", "of its own"]),
    "one secret twice": (nix('instances.dev.anonKey = "supabase-dev-service";'), ["secret supabase-dev-service"]),
    "name with a dash": (put("prod-eu", 2), [f"{AT}.prod-eu", "must match [a-z][a-z0-9]{0,12}", "rename"]),
    "name in capitals": (put("Prod", 2), [f"{AT}.Prod", "must match"]),
    "name too long for a user": (put("a" * 40, 2), ["must match"]),
    "reserved name": (put("all", 2), [f"{AT}.all", "reserved name"]),
    "name of the group role": (put("login", 2), [f"{AT}.login", "reserved name"]),
    "foreign database": (
        nix('instances.dev.database.name = "postgres";'),
        [f"{AT}.dev.database.name: postgres must start with supabase_"],
    ),
    "reserved role": (nix('instances.dev.database.user = "anon";'), [f"{AT}.dev.database.user: anon is a reserved role"]),
    "PostgreSQL's role": (nix('instances.dev.database.user = "pg_monitor";'), ["pg_monitor is a reserved role"]),
    "storage twice": (
        nix("instances.dev.storage.enable = true;"),
        [f"{AT}.dev: storage.enable is true and services.storage false", "one switch"],
    ),
    "Studio without meta": (
        put("dev", 1, services=instance("dev", 1)["services"] | {"studio": True}, dashboardPassword="/run/a"),
        [f"{AT}.dev.services.studio", "works through meta", "switch services.meta on"],
    ),
    "imgproxy without storage": (
        put("dev", 1, services=instance("dev", 1)["services"] | {"imgproxy": True}),
        [f"{AT}.dev.services.imgproxy", "files of storage", "leave this unset"],
    ),
    "object store without address": (
        nix("""instances.dev = { storage.enable = lib.mkForce true; services.storage = true; storage.backend = "s3";
            s3Key = "/run/a"; s3BackendKey = "/run/b"; };"""),
        [f"{AT}.dev.storage.s3", "set endpoint, region and bucket"],
    ),
    "images of an object store": (
        nix("""instances.dev = { storage.enable = lib.mkForce true; services = { storage = true; imgproxy = true; };
            storage.backend = "s3"; storage.s3 = { endpoint = "https://s3.example.org"; region = "eu"; bucket = "files"; };
            s3Key = "/run/a"; s3BackendKey = "/run/b"; };"""),
        [f"{AT}.dev.services.imgproxy", "with backend file"],
    ),
    "variables of no service": (
        nix('instances.dev.environment.rest.PGRST_DB_MAX_ROWS = "5";'),
        [f"{AT}.dev.environment.rest: there is no such service", "auth, imgproxy, meta, realtime, restApi, storage, studio"],
    ),
    "variables of a service that is off": (
        nix('instances.dev.environment.auth.GOTRUE_SMS_AUTOCONFIRM = "true";'),
        [f"{AT}.dev.environment.auth: the service is off", "switch services.auth on"],
    ),
    "secret variables of a service that is off": (
        nix('instances.dev.secretEnvironment.auth = "/run/a";'),
        [f"{AT}.dev.secretEnvironment.auth: the service is off"],
    ),
    "password of the mail server": (
        nix("""instances.dev = { services.auth = true;
            smtp = { host = "mail.example.org"; user = "me"; sender = "me@example.org"; }; };"""),
        [f"{AT}.dev: ", "/secrets/supabase-dev-smtp.age is missing", "yours to give", "just supabase-adopt dev"],
    ),
    "variables that nobody encrypted": (
        nix('instances.dev.secretEnvironment.restApi = "mine";'),
        [f"{AT}.dev: ", "/secrets/mine.age is missing", "yours to give"],
    ),
    "secret variables of another": (
        nix('instances.dev.secretEnvironment.restApi = "supabase-prod-jwt";'),
        ["secret supabase-prod-jwt", f"{AT}.dev and {AT}.prod"],
    ),
    "more memory than the host's": (
        nix("hostMemory = 1000;"),
        ["constellation.supabase.hostMemory: ", "1024 MiB together", "gives them 1000", "lower limits.memory"],
    ),
    "containers by docker": (
        lambda lab: (
            put("dev", 1, services=instance("dev", 1)["services"] | {"meta": True}, metaKey="/run/a")(lab)
            and '{ virtualisation.oci-containers.backend = "docker"; }'
        ),
        ["virtualisation.oci-containers.backend", "need podman"],
    ),
    "missing secret": (
        without("supabase-dev-jwt"),
        [f"{AT}.dev: ", "/secrets/supabase-dev-jwt.age is missing", "run pyinfra", "just supabase-adopt"],
    ),
    "secret in the store": (
        nix('instances.dev.jwtSecret = "${builtins.toFile "jwt" "x"}";'),
        [f"{AT}.dev: secret ", "world-readable Nix store"],
    ),
    "more than capacity": (
        nix("capacity = 1;"),
        ["constellation.supabase.capacity: 2 instances", "sized for 1", "raise capacity"],
    ),
    "old PostgreSQL": (postgresql("package = pkgs.postgresql_15"), ["PostgreSQL 16 or newer", "15.18", "pg_upgrade"]),
    "few connections": (postgresql("settings.max_connections = 100"), ["max_connections: 100 is less than the 470"]),
    "no logical WAL": (postgresql('settings.wal_level = "replica"'), ["wal_level: replica must be logical"]),
}


@pytest.mark.parametrize("case", ASSERTED)
def test_asserted(lab: Lab, library: Library, case: str) -> None:
    """One mistake gives one message: what, where, and the next step."""
    change, expected = ASSERTED[case]
    failed = lab.evaluate(library, change(lab))["failed"]
    assert len(failed) == 1, failed
    for words in expected:
        assert words in failed[0]


def test_all_mistakes_at_once(lab: Lab, library: Library) -> None:
    """Mistakes do not hide each other."""
    lab.put("all", instance("all", 0))
    lab.put("dev", instance("dev", 0, port=8000))
    failed = lab.evaluate(library, nix("capacity = 2;")(lab))["failed"]
    assert [next(w for w in ("reserved", "port", "slot", "capacity") if w in m) for m in failed] == [
        "reserved",
        "port",
        "slot",
        "capacity",
    ]


def test_agenix_absent(lab: Lab, library: Library) -> None:
    """Names of agenix secrets without agenix: one message says what to import."""
    (failed,) = lab.evaluate(library, agenix=False)["failed"]
    assert "agenix is not imported" in failed
    assert "agenix.nixosModules.default" in failed


TYPED = {
    "slot": ("instances.prod.slot = 600;", "instances.prod.slot"),
    "privileged port": ("instances.prod.port = 80;", "instances.prod.port"),
    "log level": ('instances.prod.logLevel = "trace";', "instances.prod.logLevel"),
    "subdomain": ('instances.prod.subdomain = "a.b; return 200";', "instances.prod.subdomain"),
    "domain": ('domain = "https://example.org";', "constellation.supabase.domain"),
    "database name": ('instances.prod.database.name = "supabase_prod\' x";', "instances.prod.database.name"),
    "secret by Nix path": ("instances.prod.jwtSecret = ./configuration.nix;", "instances.prod.jwtSecret"),
    "secret name": ('instances.prod.jwtSecret = "../jwt";', "instances.prod.jwtSecret"),
    "capacity": ("capacity = 0;", "constellation.supabase.capacity"),
    "unknown option": ("instances.prod.sevices.auth = true;", "instances.prod.sevices"),
    "profile": ('instances.prod.profile = "small";', "instances.prod.profile"),
    "memory": ("instances.prod.limits.memory = 0;", "instances.prod.limits.memory"),
    "site": ('instances.prod.auth.siteUrl = "app.example.org";', "instances.prod.auth.siteUrl"),
    "two addresses in one": ('instances.prod.auth.redirectUrls = [ "https://a,https://b" ];', "instances.prod.auth.redirectUrls"),
    "mail without a sender": ('instances.prod.smtp.host = "mail.example.org";', "instances.prod.smtp.sender"),
    "sender": ('instances.prod.smtp = { host = "m"; sender = "me"; };', "instances.prod.smtp.sender"),
    "edge": ('edge = "apache";', "constellation.supabase.edge"),
    "boolean": ('instances.prod.enable = "yes";', "instances.prod.enable"),
}


@pytest.mark.parametrize("case", TYPED)
def test_typed(lab: Lab, library: Library, case: str) -> None:
    """A value of the wrong type ends the evaluation with the option's name."""
    text, option = TYPED[case]
    with pytest.raises(EvaluationError) as refused:
        lab.evaluate(library, nix(text)(lab))
    assert option in str(refused.value)


def test_same_names_are_taken_for_the_run_and_for_nix() -> None:
    """desired/names.py and __names.nix hold the same lists."""
    needs("nix-instantiate")
    shown = subprocess.run(
        ["nix-instantiate", "--eval", "--strict", "--json", "-E", f'removeAttrs (import {MODULE}/__names.nix) [ "valid" ]'],
        capture_output=True,
        text=True,
        check=True,
    )
    taken = json.loads(shown.stdout)
    assert taken["pattern"] == names.INSTANCE.pattern
    assert set(taken["roles"]) == set(names.SHARED_ROLES)
    derived = {
        role.removeprefix("supabase_")
        for role in names.SHARED_ROLES
        if role.startswith("supabase_") and names.INSTANCE.fullmatch(role.removeprefix("supabase_"))
    }
    assert set(taken["instances"]) == names.RESERVED_INSTANCES
    assert derived <= names.RESERVED_INSTANCES
