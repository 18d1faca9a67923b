import json
from typing import Any

import pytest

from desired.instance import SERVED, json_text, resolve, secrets_of
from desired.model import InstanceData
from tests.nix.evaluation import instance


def resolved(slot: int = 3, **value: Any) -> Any:
    return resolve("prod", InstanceData.model_validate(value), host="server", domain="example.org", slot=slot)


def test_everything_chosen() -> None:
    item = resolved(
        enable=False,
        subdomain="api",
        port=9000,
        log_level="warn",
        database={"name": "supabase_old", "user": "app", "create_database": False},
        storage={"enable": False, "bucket": "files"},
        services={"realtime": False, "auth": False, "rest_api": False},
        jwt_secret="a",
        anon_key="b",
        service_key="c",
        database_url="d",
    )
    assert item.as_option() == {
        "enable": False,
        "slot": 3,
        "subdomain": "api",
        "port": 9000,
        "logLevel": "warn",
        "database": {"name": "supabase_old", "user": "app", "createDatabase": False},
        "storage": {"enable": False, "bucket": "files"},
        "services": {"realtime": False, "auth": False, "restApi": False, "storage": False},
        "jwtSecret": "a",
        "anonKey": "b",
        "serviceKey": "c",
        "databaseUrl": "d",
        "secrets": ["a", "b", "c", "d", "supabase-prod-dbverifier"],
    }
    assert item.url == "https://api.example.org"


def test_the_file_has_every_option_of_the_module() -> None:
    """Python's names and the module's, which tests/nix gives to Nix, are the same."""
    assert resolved().as_option() == instance("prod", 3)


@pytest.mark.parametrize(
    ("storage", "service", "result"),
    [
        (None, None, True),
        (True, None, True),
        (False, None, False),
        (None, True, True),
        (None, False, False),
        (False, False, False),
    ],
)
def test_unset_storage_follows_the_other_switch(storage: bool | None, service: bool | None, result: bool) -> None:
    item = resolved(storage={"enable": storage}, services={"storage": service})
    assert item.services["storage"] is result
    assert item.as_option()["storage"]["enable"] is result


def test_what_is_not_served_yet_is_named() -> None:
    assert set(resolved().not_served) == {service for service, served in SERVED.items() if not served}
    off = dict.fromkeys(("realtime", "auth", "rest_api", "storage"), False)
    assert resolved(services=off).not_served == ()


def test_secret_names() -> None:
    names = secrets_of("prod", InstanceData())
    assert names == {kind: f"supabase-prod-{kind}" for kind in ("jwt", "anon", "service", "db", "dbverifier")}


def test_json_text_is_canonical() -> None:
    assert json_text({"b": 1, "a": [True, None]}) == b'{\n  "a": [\n    true,\n    null\n  ],\n  "b": 1\n}\n'
    text = json_text(resolved().as_option())
    assert text == json_text(json.loads(text))
