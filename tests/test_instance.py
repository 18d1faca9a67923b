import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired.defaults import resolve, secrets_of, services_of
from desired.instance import Instance, camel, json_text, secret_field
from desired.model import EnvironmentData, InstanceData, SecretEnvironmentData, ServicesData
from desired.numbers import service_kinds
from desired.profiles import PROFILES, SERVICES
from tests.nix.evaluation import instance

EVERY = ("jwt", "anon", "service", "db", "dbverifier")
AWAY = {"endpoint": "https://s3.example.org", "region": "eu", "bucket": "elsewhere"}
MAILER = {"host": "smtp.example.org", "sender": "no-reply@example.org"}


def resolved(slot: int = 3, **value: Any) -> Instance:
    return resolve("prod", InstanceData.model_validate(value), host="server", domain="example.org", slot=slot)


def running(**value: Any) -> set[str]:
    return {service for service, on in services_of(InstanceData.model_validate(value)).items() if on}


def kinds(**value: Any) -> set[str]:
    """The secrets wanted beyond those of every instance."""
    found = secrets_of("prod", InstanceData.model_validate(value))
    assert found.keys() >= set(EVERY)
    return set(found) - set(EVERY)


def test_everything_chosen() -> None:
    item = resolved(
        enable=False,
        profile="api",
        subdomain="api",
        port=9000,
        log_level="warn",
        database={"name": "supabase_old", "user": "app", "create_database": False},
        services={"auth": True, "rest_api": False, "storage": True},
        auth={
            "site_url": "https://app.example.org",
            "redirect_urls": ["https://*.example.org/**"],
            "disable_signup": True,
            "autoconfirm": True,
            "jwt_expiry": 600,
            "database_socket": False,
        },
        smtp={**MAILER, "port": 465, "user": "me", "sender_name": "The shop"},
        storage={"bucket": "files", "backend": "s3", "s3": {**AWAY, "force_path_style": False}, "file_size_limit": 1},
        realtime={"superuser": True, "max_concurrent_users": 7},
        limits={"memory": 700, "tasks": 300},
        environment={"auth": {"GOTRUE_X": "1"}, "studio": {"OFF": "1"}, "storage": {}},
        secret_environment={"auth": "auth-env", "studio": "studio-env"},
        jwt_secret="a",
        anon_key="b",
        service_key="c",
        database_url="d",
    )
    assert item.option == {
        "enable": False,
        "slot": 3,
        "profile": "api",
        "subdomain": "api",
        "port": 9000,
        "logLevel": "warn",
        "database": {"name": "supabase_old", "user": "app", "createDatabase": False},
        "services": {
            "restApi": False,
            "auth": True,
            "storage": True,
            "realtime": False,
            "meta": False,
            "studio": False,
            "imgproxy": False,
        },
        "auth": {
            "siteUrl": "https://app.example.org",
            "redirectUrls": ["https://*.example.org/**"],
            "disableSignup": True,
            "autoconfirm": True,
            "jwtExpiry": 600,
            "databaseSocket": False,
        },
        "smtp": {
            "host": "smtp.example.org",
            "port": 465,
            "user": "me",
            "sender": "no-reply@example.org",
            "senderName": "The shop",
        },
        "storage": {
            "enable": True,
            "bucket": "files",
            "backend": "s3",
            "s3": {
                "endpoint": "https://s3.example.org",
                "region": "eu",
                "bucket": "elsewhere",
                "forcePathStyle": False,
            },
            "fileSizeLimit": 1,
        },
        "realtime": {"superuser": True, "maxConcurrentUsers": 7},
        "limits": {"memory": 700, "tasks": 300},
        "environment": {"auth": {"GOTRUE_X": "1"}},
        "secretEnvironment": {"auth": "auth-env"},
        "jwtSecret": "a",
        "anonKey": "b",
        "serviceKey": "c",
        "databaseUrl": "d",
        "secrets": [
            *("a", "auth-env", "b", "c", "d"),
            *(f"supabase-prod-{kind}" for kind in ("authdb", "authverifier", "dbverifier", "s3", "s3backend", "smtp")),
        ],
    }
    assert item.url == "https://api.example.org"
    assert item.verifiers == {
        "supabase_prod": "supabase-prod-dbverifier",
        "supabase_prod_auth": "supabase-prod-authverifier",
    }


def test_what_follows_from_the_name() -> None:
    item = resolved(smtp=MAILER)
    assert item.url == "https://supabase-prod.example.org"
    assert item.option["auth"]["siteUrl"] is None, "the module knows it, and another domain changes no instance's file"
    assert item.smtp
    assert item.smtp["sender_name"] == "prod"
    assert item.verifiers == {"supabase_prod": "supabase-prod-dbverifier"}


def test_the_file_has_every_option_of_the_module() -> None:
    """Python's names and the module's, which tests/nix gives to Nix, are the same."""
    assert resolved(profile="api").option == instance("prod", 3)


@pytest.mark.parametrize(
    ("profile", "services", "limits"),
    [
        ("api", {"rest_api"}, (512, 256)),
        ("app", {"rest_api", "auth", "storage", "imgproxy"}, (1024, 512)),
        ("full", set(SERVICES), (2048, 1024)),
    ],
)
def test_profiles(profile: str, services: set[str], limits: tuple[int, int]) -> None:
    item = resolved(profile=profile)
    assert {service for service, on in item.services.items() if on} == services == running(profile=profile)
    assert (item.memory, item.tasks) == limits
    assert (item.environment, item.secret_environment) == ({}, {})


def test_every_service_can_be_switched_and_has_numbers() -> None:
    for model in (ServicesData, EnvironmentData, SecretEnvironmentData):
        assert tuple(model.model_fields) == SERVICES
    assert {"gateway", *(service.removesuffix("_api") for service in SERVICES)} == set(service_kinds())


@pytest.mark.parametrize(
    ("profile", "enable", "service", "result"),
    [
        ("full", None, None, True),
        ("api", None, None, False),
        ("api", True, None, True),
        ("full", False, None, False),
        ("api", None, True, True),
        ("full", None, False, False),
        ("full", False, False, False),
    ],
)
def test_unset_storage_follows_the_other_switch(profile: str, enable: bool | None, service: bool | None, result: bool) -> None:
    """And imgproxy follows it."""
    item = resolved(profile=profile, storage={"enable": enable}, services={"storage": service})
    assert item.services["storage"] is item.services["imgproxy"] is result
    assert item.option["storage"]["enable"] is result


def test_imgproxy_needs_files() -> None:
    assert "imgproxy" not in running(storage={"backend": "s3", "s3": AWAY})
    assert "imgproxy" not in running(services={"imgproxy": False})


switches = st.fixed_dictionaries({}, optional={service: st.booleans() | st.none() for service in SERVICES})


@given(st.sampled_from(sorted(PROFILES)), switches)
def test_what_is_written_wins_over_the_profile(profile: str, services: dict[str, bool | None]) -> None:
    on = running(profile=profile, services=services)
    for service, value in services.items():
        if value is not None:
            assert (service in on) is value
    left = {service for service in SERVICES if services.get(service) is None} - {"imgproxy"}
    assert on & left == PROFILES[profile].services & left  # type: ignore[index]


def test_secrets_follow_the_services() -> None:
    smtp, socket = {**MAILER, "user": "me"}, {"database_socket": False}
    assert kinds(profile="api") == set()
    assert kinds(profile="app") == {"s3"}
    assert kinds() == {"s3", "realtime", "meta", "dashboard"}
    assert kinds(profile="app", storage={"backend": "s3", "s3": AWAY}) == {"s3", "s3backend"}
    assert kinds(profile="app", smtp=MAILER) == {"s3"}, "a mail server that asks for no login"
    assert kinds(profile="app", smtp=smtp, auth=socket) == {"s3", "smtp", "authdb", "authverifier"}
    assert kinds(profile="api", smtp=smtp, auth=socket, storage={"backend": "s3", "s3": AWAY}) == set()
    assert kinds(profile="api", secret_environment={"rest_api": "a", "auth": "b"}) == {"environment-rest_api"}


def test_secret_names() -> None:
    names = secrets_of("prod", InstanceData.model_validate({"jwt_secret": "mine", "secret_environment": {"auth": "my-env"}}))
    assert names["jwt"] == "mine"
    assert names["environment-auth"] == "my-env"
    assert {names[kind] for kind in names} - {"mine", "my-env"} == {
        f"supabase-prod-{kind}" for kind in names if kind not in ("jwt", "environment-auth")
    }
    assert [secret_field(kind) for kind in ("jwt", "realtime", "environment-rest_api")] == [
        *("jwt_secret", "secrets", "secret_environment.rest_api"),
    ]


@pytest.mark.parametrize(
    ("name", "result"),
    [("rest_api", "restApi"), ("max_concurrent_users", "maxConcurrentUsers"), ("s3", "s3"), ("s3_backend_key", "s3BackendKey")],
)
def test_camel(name: str, result: str) -> None:
    assert camel(name) == result


def test_json_text_is_canonical() -> None:
    assert json_text({"b": 1, "a": [True, None]}) == b'{\n  "a": [\n    true,\n    null\n  ],\n  "b": 1\n}\n'
    text = json_text(resolved().option)
    assert text == json_text(json.loads(text))
