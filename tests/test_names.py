import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired import names
from desired.numbers import service_kinds
from tests.nix.evaluation import MODULE

instances = st.from_regex(names.INSTANCE, fullmatch=True)


@pytest.mark.parametrize("name", ["prod", "a", "a1", "abcdefghijklm"])
def test_instance_names(name: str) -> None:
    assert names.INSTANCE.fullmatch(name)


@given(instances)
def test_what_follows_from_the_longest_name_still_fits(name: str) -> None:
    """NixOS: user names of 31 characters; PostgreSQL: names of 63."""
    for service in service_kinds():
        assert len(names.unit(name, service).removesuffix(".service")) <= 31
    for role in [names.owner(name), *(names.service_login(name, service) for service in names.LOGIN_SERVICES)]:
        assert names.ROLE.fullmatch(role)
    assert names.DATABASE.fullmatch(names.owner(name))
    assert names.SUBDOMAIN.fullmatch(f"supabase-{name}")
    assert names.SECRET.fullmatch(names.secret(name, "dbverifier"))


@given(instances, instances)
def test_two_instances_share_no_name(one: str, other: str) -> None:
    if one == other:
        return

    def all_names(name: str) -> set[str]:
        units = {names.unit(name, service) for service in service_kinds()}
        return units | {names.owner(name), *(names.service_login(name, service) for service in names.LOGIN_SERVICES)}

    assert not all_names(one) & all_names(other)


@given(instances)
def test_no_instance_takes_a_role_of_the_cluster(name: str) -> None:
    """The reserved names are exactly those that would."""
    roles = [names.owner(name), *(names.service_login(name, service) for service in names.LOGIN_SERVICES)]
    assert any(map(names.reserved_role, roles)) <= (name in names.RESERVED_INSTANCES)


@pytest.mark.parametrize("name", ["login", "admin"])
def test_the_reserved_names_are_needed(name: str) -> None:
    assert names.reserved_role(names.owner(name))


def test_the_gateway_has_the_name_of_the_instance() -> None:
    assert names.unit("prod", "gateway") == "supabase-prod.service"
    assert names.unit("prod", "rest") == "supabase-prod-rest.service"


def test_the_module_knows_the_same_names() -> None:
    text = (MODULE / "__names.nix").read_text()
    quoted = set(text.split('"')[1::2])
    assert quoted == {names.INSTANCE.pattern, *names.RESERVED_INSTANCES, *names.SHARED_ROLES}
