"""Two instances never share what must be one's own, on one host or on two."""

import pytest

from tests.estates import FILE, estate, host, mistakes, source

OTHER = "group_data/other.py"


def taken(field: str, value: str, holder: str, instance: str = "dev") -> list[str]:
    shown = f" = {value}" if value else ""
    return [f"{FILE}: instance {instance}: {field}{shown}: already taken by {holder}; choose another"]


@pytest.mark.parametrize(
    ("prod", "dev", "expected"),
    [
        ({"port": 9000}, {"port": 9000}, taken("port", "9000", "the port of instance dev on server", "prod")),
        ({"subdomain": "x"}, {"subdomain": "x"}, taken("subdomain", "'x'", "the subdomain of instance dev on server", "prod")),
        ({}, {"subdomain": "supabase-prod"}, taken("subdomain", "'supabase-prod'", "the subdomain of instance prod on server")),
        (
            {"subdomain": "supabase-dev"},
            {},
            taken("subdomain", "'supabase-dev'", "the subdomain of instance dev on server", "prod"),
        ),
        (
            {},
            {"database": {"name": "supabase_prod"}},
            taken("database.name", "'supabase_prod'", "the database of instance prod on server"),
        ),
        (
            {},
            {"database": {"user": "supabase_prod"}},
            taken("database.user", "'supabase_prod'", "the owner of instance prod on server"),
        ),
        (
            {},
            {"database": {"user": "supabase_prod_storage"}},
            taken("database.user", "'supabase_prod_storage'", "the login of service storage of instance prod on server"),
        ),
        (
            {"database": {"user": "app"}},
            {"database": {"user": "app"}},
            taken("database.user", "'app'", "the database user of instance dev on server", "prod"),
        ),
        ({}, {"jwt_secret": "supabase-prod-jwt"}, taken("jwt_secret", "", "the jwt secret of instance prod on server")),
        (
            {},
            {"jwt_secret": "supabase-prod-dbverifier"},
            taken("jwt_secret", "", "the dbverifier secret of instance prod on server"),
        ),
        ({"anon_key": "x"}, {"database_url": "x"}, taken("anon_key", "", "the db secret of instance dev on server", "prod")),
    ],
)
def test_two_instances_of_a_host(prod: object, dev: object, expected: list[str]) -> None:
    """The mistake is told where somebody chose the value, not where it follows from a name."""
    assert mistakes(source({"prod": prod, "dev": dev})) == expected


def test_a_chosen_port_and_one_that_follows_from_a_slot() -> None:
    """A new slot keeps away from it; one that is held for life cannot."""
    assert [item.port for item in host({"a": {"port": 8000}, "b": {}}).instances] == [8000, 8002], "a holds slot 1"
    for chosen, derived in (("a", "b"), ("b", "a")):
        found = mistakes(source({chosen: {"port": 8007}, derived: {}}), held={"server": {derived: 7}})
        assert found == taken("port", "8007", f"the port of instance {derived} on server", chosen)


def test_the_port_of_postgresql() -> None:
    """A new slot keeps away from it, one that is held is told."""
    assert host({"a": {}}, postgresql_port=8000).instances[0].port == 8001
    assert mistakes(source({"a": {}}, postgresql_port=8003), held={"server": {"a": 3}}) == taken(
        "port", "8003", "PostgreSQL (postgresql_port)", "a"
    )


def test_two_hosts_claim_one_instance() -> None:
    one, two = source({"prod": {}}, name="one"), source({"prod": {}, "dev": {}}, name="two", file=OTHER)
    assert mistakes(one, two) == [
        f"{OTHER}: instance prod: instances: claimed by two hosts: two ({OTHER}) and one ({FILE}); rename one"
    ], "and not a clash of everything that follows from the name"


def test_what_two_hosts_may_share() -> None:
    """Ports, databases and roles are a host's; subdomains a domain's."""
    value = {"port": 9000, "subdomain": "x", "database": {"user": "app", "name": "supabase_x"}}
    one, two = source({"a": value}, name="one"), source({"b": value}, name="two", domain="example.net")
    assert len(estate(one, two).instances) == 2
    (line,) = mistakes(one, source({"b": value}, name="two"))
    assert "subdomain = 'x': already taken by the subdomain of instance a on one" in line


def test_secrets_are_of_the_whole_project() -> None:
    """All hosts' secrets stand in one directory."""
    (line,) = mistakes(source({"a": {"jwt_secret": "x"}}, name="one"), source({"b": {"jwt_secret": "x"}}, name="two"))
    assert line == f"{FILE}: instance b: jwt_secret: already taken by the jwt secret of instance a on one; choose another"


def test_three_of_a_kind_are_two_mistakes() -> None:
    assert len(mistakes(source({name: {"subdomain": "x"} for name in "abc"}))) == 2


def test_a_wrong_host_hides_no_clash() -> None:
    found = mistakes(source({"a": {"subdomain": "x"}, "b": {"subdomain": "x"}, "c": {"port": 1}}, domain=...))
    assert [line.split(": ")[1:3] for line in found] == [
        ["domain", "is missing; the instances are served below it, so set it"],
        ["instance c", "port = 1"],
        ["instance b", "subdomain = 'x'"],
    ]
