import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from desired import scram, tokens
from desired.generators import GENERATORS, PARENTS, Material, inputs_digest
from desired.graph import ordered
from tests.secret_project import SecretProject, secret_project

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> SecretProject:
    return secret_project(tmp_path_factory.mktemp("project"), "dev", "prod")


def made(project: SecretProject, name: str = "prod", fill: int = 7) -> tuple[dict[str, str], dict[str, Material]]:
    values: dict[str, str] = {}
    materials = {}
    for kind in ordered(PARENTS, GENERATORS):
        generator = GENERATORS[kind]
        inputs = generator.inputs(project.instance(name), project.host)
        parents = {parent: values[parent] for parent in generator.parents}
        materials[kind] = Material(inputs, parents, bytes([fill]) * generator.entropy, NOW)
        values[kind] = generator.make(materials[kind])
    return values, materials


def test_every_secret_of_an_instance_has_a_generator(project: SecretProject) -> None:
    assert project.instance("prod").secrets.keys() == GENERATORS.keys()
    assert all(parent in GENERATORS for parents in PARENTS.values() for parent in parents)


def test_the_forms(project: SecretProject) -> None:
    values, _ = made(project)
    assert re.fullmatch(r"[A-Za-z0-9_-]{64}", values["jwt"])
    assert re.fullmatch(r"postgresql://supabase_prod:[0-9a-f]{64}@localhost:5432/supabase_prod", values["db"])
    password = values["db"].split(":")[2].split("@")[0]
    assert values["dbverifier"] == scram.verifier(password, bytes([7]) * 16)
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
    for kind, generator in GENERATORS.items():
        assert generator.fault(values[kind], materials[kind]) is None
        if kind != "jwt":
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
        ("db", "postgresql://supabase_prod:my.own-Password_1~2@localhost:5432/supabase_prod", True),
        ("db", "postgresql://supabase_prod:my%2Fown%2Fpassword@localhost:5432/supabase_prod", False),
        ("db", "postgresql://supabase_prod:short@localhost:5432/supabase_prod", False),
        ("db", "postgresql://supabase_prod:0123456789abcdef@localhost:5433/supabase_prod", False),
        ("db", "postgresql://supabase_dev:0123456789abcdef@localhost:5432/supabase_prod", False),
        ("db", "postgresql://supabase_prod@localhost:5432/supabase_prod", False),
        ("db", "mysql://root:0123456789abcdef@localhost:5432/supabase_prod", False),
    ],
)
def test_values_that_a_person_puts_in(project: SecretProject, kind: str, value: str, fine: bool) -> None:
    _, materials = made(project)
    fault = GENERATORS[kind].fault(value, materials[kind])
    assert (fault is None) == fine
    assert fault is None or value not in fault


def test_inputs_tell_apart_what_must_be_told_apart(project: SecretProject, tmp_path: Path) -> None:
    generator = GENERATORS["db"]
    prod, dev = (generator.inputs(project.instance(name), project.host) for name in ("prod", "dev"))
    assert inputs_digest(prod) == inputs_digest(dict(reversed(prod.items())))
    assert inputs_digest(prod) != inputs_digest(dev)


def test_material_has_no_plaintext_in_its_repr(project: SecretProject) -> None:
    values, materials = made(project)
    assert not any(value in repr(material) for value in values.values() for material in materials.values())
