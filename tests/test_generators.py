import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired import scram, tokens
from desired.generators import GENERATORS, PARENTS, Material, inputs_digest
from desired.graph import ordered
from desired.instance import environment_kind
from desired.profiles import SERVICES
from tests.secret_project import SecretProject, secret_project

NOW = datetime(2026, 11, 22, tzinfo=UTC)


#: Every service with every secret that it may need.
EVERYTHING: Mapping[str, Any] = {
    "auth": {"database_socket": False},
    "smtp": {"host": "smtp.example.org", "sender": "me@example.org", "user": "me"},
    "storage": {"backend": "s3", "s3": {"endpoint": "https://s3.example.org", "region": "eu", "bucket": "files"}},
}
MADE = sorted(kind for kind, generator in GENERATORS.items() if generator.make)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> SecretProject:
    return secret_project(tmp_path_factory.mktemp("project"), "dev", "prod").with_defaults(**EVERYTHING)


def made(project: SecretProject, name: str = "prod", fill: int = 7) -> tuple[dict[str, str], dict[str, Material]]:
    """Every secret that a run makes; the material of the others too."""
    values: dict[str, str] = {}
    materials = {}
    for kind in ordered(PARENTS, GENERATORS):
        generator = GENERATORS[kind]
        inputs = generator.inputs(project.instance(name), project.host)
        parents = {parent: values[parent] for parent in generator.parents}
        materials[kind] = Material(inputs, parents, bytes([fill]) * generator.entropy, NOW)
        if generator.make:
            values[kind] = generator.make(materials[kind])
    return values, materials


def test_every_secret_of_an_instance_has_a_generator(project: SecretProject) -> None:
    environments = {environment_kind(service) for service in SERVICES}
    assert project.instance("prod").secrets.keys() | {*environments, "s3backend"} == GENERATORS.keys()
    assert all(parent in MADE for parents in PARENTS.values() for parent in parents)


def test_what_a_person_gives_is_named(project: SecretProject) -> None:
    assert all(bool(generator.what) == (generator.make is None) for generator in GENERATORS.values())


def test_the_forms(project: SecretProject) -> None:
    values, _ = made(project)
    assert re.fullmatch(r"[A-Za-z0-9_-]{64}", values["jwt"])
    for kind, login in (("db", "supabase_prod"), ("authdb", "supabase_prod_auth")):
        assert re.fullmatch(rf"postgresql://{login}:[0-9a-f]{{64}}@localhost:5432/supabase_prod", values[kind])
        password = values[kind].split(":")[2].split("@")[0]
        assert values[kind.replace("db", "verifier") if kind == "authdb" else "dbverifier"] == scram.verifier(
            password, bytes([7]) * 16
        )
    assert re.fullmatch(r"[0-9a-f]{64}", values["realtime"])
    assert re.fullmatch(r"[0-9a-f]{32}", values["dashboard"])
    assert re.fullmatch(r"[0-9a-f]{64}", values["meta"])
    assert re.fullmatch(r"[0-9a-f]{32}:[0-9a-f]{64}", values["s3"])
    assert tokens.fault(values["anon"], values["jwt"], "anon", NOW) is None
    assert tokens.fault(values["service"], values["jwt"], "service_role", NOW) is None
    assert GENERATORS["jwt"].identify is not None
    assert GENERATORS["jwt"].identify(values["jwt"]) == tokens.kid(values["jwt"])


def test_generators_are_pure_and_depend_on_their_entropy(project: SecretProject) -> None:
    assert made(project)[0] == made(project)[0]
    other = made(project, fill=8)[0]
    assert all(other[kind] != value for kind, value in made(project)[0].items())


def test_what_is_made_has_no_fault_and_what_belongs_elsewhere_has_one(project: SecretProject) -> None:
    values, materials = made(project)
    foreign, _ = made(project, "dev", fill=9)
    for kind in MADE:
        generator = GENERATORS[kind]
        assert generator.fault(values[kind], materials[kind]) is None
        if generator.parents or generator.inputs(project.instance("prod"), project.host):
            fault = generator.fault(foreign[kind], materials[kind])
            assert fault
            assert foreign[kind] not in fault
            assert not any(value in fault for value in values.values())


@pytest.mark.parametrize(
    ("kind", "value", "fine"),
    [
        ("jwt", "x" * 32, True),
        ("jwt", "x" * 31, False),
        ("jwt", "two words" * 8, False),
        ("jwt", "ü" * 40, False),
        ("jwt", "it's" * 8, False),
        ("jwt", "back\\" * 8, False),
        ("db", "postgresql://supabase_prod:my.own-Password_1~2@localhost:5432/supabase_prod", True),
        ("db", "postgresql://supabase_prod:my%2Fown%2Fpassword@localhost:5432/supabase_prod", False),
        ("db", "postgresql://supabase_prod:short@localhost:5432/supabase_prod", False),
        ("db", "postgresql://supabase_prod:0123456789abcdef@localhost:5433/supabase_prod", False),
        ("db", "postgresql://supabase_dev:0123456789abcdef@localhost:5432/supabase_prod", False),
        ("db", "postgresql://supabase_prod@localhost:5432/supabase_prod", False),
        ("authdb", "postgresql://supabase_prod_auth:0123456789abcdef@localhost:5432/supabase_prod", True),
        ("authdb", "postgresql://supabase_prod:0123456789abcdef@localhost:5432/supabase_prod", False),
        ("realtime", "0123456789abcdef" * 4, True),
        ("realtime", "0123456789ABCDEF" * 4, False),
        ("dashboard", "my.own-Password_1~2", True),
        ("dashboard", "my own password 12", False),
        ("meta", "SAMPLE_KEY", False),
        ("s3", f"{'a' * 32}:{'b' * 64}", True),
        ("s3", f"{'a' * 32}{'b' * 64}", False),
        ("s3backend", "AKIAEXAMPLE:wJalr/XUtn+FEMI:K7", True),
        ("s3backend", "AKIAEXAMPLE", False),
        ("s3backend", ":secret", False),
        ("s3backend", "key:two words", False),
        ("smtp", 'any thing, "quoted" $HOME # and \\ more', True),
        ("smtp", "it's", False),
        ("smtp", "ends in \\", False),
        ("smtp", "ümläut", False),
        ("smtp", "a\x07bell", False),
        *((f"environment-{service}", "SMTP_PASS=a b=c#d\nTOKEN=v1,whsec_aGk=", True) for service in SERVICES),
        ("environment-auth", "TOKEN='x'", False),
        ("environment-auth", 'TOKEN="x"', False),
        ("environment-auth", "TOKEN=$x", False),
        ("environment-auth", "TOKEN=x\\", False),
        ("environment-auth", "TOKEN=x # comment", False),
        ("environment-auth", "TOKEN= x", False),
        ("environment-auth", "TOKEN=x ", False),
        ("environment-auth", "GOTRUE_X=", False),
        ("environment-auth", "gotrue_x=1", False),
        ("environment-auth", "X=1\n\nY=2", False),
        ("environment-auth", "# a comment\nX=1", False),
        ("environment-auth", "X=1\r\nY=2", False),
        ("environment-auth", "export X=1", False),
        ("db", "mysql://root:0123456789abcdef@localhost:5432/supabase_prod", False),
    ],
)
def test_values_that_a_person_puts_in(project: SecretProject, kind: str, value: str, fine: bool) -> None:
    _, materials = made(project)
    fault = GENERATORS[kind].fault(value, materials[kind])
    assert (fault is None) == fine
    assert fault is None or value not in fault


DEMO_CLAIMS = {"iss": "supabase-demo", "role": "anon", "exp": 1983812996}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("jwt", "your-super-secret-jwt-token-with-at-least-32-characters-long"),
        ("jwt", "super-secret-jwt-token-with-at-least-32-characters-long"),
        ("db", "postgresql://supabase_prod:your-super-secret-and-long-postgres-password@localhost:5432/supabase_prod"),
        ("dashboard", "this_password_is_insecure_and_should_be_updated"),
        ("s3", "625729a08b95bf1b7ff351a663f3a23c:850181e4652dd023b7a98c58ae0d2d34bd487ee0cc3254aed6eda37307425907"),
        ("anon", jwt.encode(DEMO_CLAIMS, "super-secret-jwt-token-with-at-least-32-characters-long")),
        (
            "service",
            jwt.encode({**DEMO_CLAIMS, "role": "service_role"}, "super-secret-jwt-token-with-at-least-32-characters-long"),
        ),
        ("environment-realtime", "DB_ENC_KEY=supabaserealtime"),
        ("environment-meta", "A=1\nCRYPTO_KEY=SAMPLE_KEY"),
    ],
)
def test_what_everybody_knows_is_no_secret(project: SecretProject, kind: str, value: str) -> None:
    """supabase-stack.md §5: values of Supabase's examples, which the form of a kind would allow."""
    _, materials = made(project)
    fault = GENERATORS[kind].fault(value, materials[kind])
    assert fault is not None
    assert "public example configuration" in fault
    assert value not in fault


def test_inputs_tell_apart_what_must_be_told_apart(project: SecretProject, tmp_path: Path) -> None:
    generator = GENERATORS["db"]
    prod, dev = (generator.inputs(project.instance(name), project.host) for name in ("prod", "dev"))
    assert inputs_digest(prod) == inputs_digest(dict(reversed(prod.items())))
    assert inputs_digest(prod) != inputs_digest(dev)


@given(st.text(), st.sampled_from(sorted(GENERATORS)))
def test_any_text_is_fine_or_has_a_fault_that_does_not_quote_it(project: SecretProject, value: str, kind: str) -> None:
    _, materials = made(project)
    fault = GENERATORS[kind].fault(value, materials[kind])
    if fault is None:
        assert value
        assert all(line.isprintable() for line in value.split("\n"))
        assert GENERATORS[kind].lines or "\n" not in value
    else:
        assert fault.isprintable()
        always = (GENERATORS[kind].fault(other, materials[kind]) for other in ("", "x", "x\ny"))  # hypothesis knows our words
        assert len(value) < 5 or value not in fault or any(value in told for told in always if told)


def test_material_has_no_plaintext_in_its_repr(project: SecretProject) -> None:
    values, materials = made(project)
    assert not any(value in repr(material) for value in values.values() for material in materials.values())
