"""group_data as a person writes it: what it gives, and what is said of every mistake."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired import names
from desired.errors import Invalid
from desired.estate import validate
from desired.model import HostData
from desired.sources import HostInput, Layer
from tests.estates import FILE, HOST_KEY, OPERATOR, estate, host, mistakes, source

NAME = (
    "the name of an instance must be a small letter followed by up to 12 small letters or digits: it becomes part of Unix users, "
    "units and database roles"
)
RESERVED = "no instance may have one of these names: " + ", ".join(sorted(names.RESERVED_INSTANCES))
SECRET = (
    "must be the name of an agenix secret: up to 63 small letters, digits and -, the first a letter "
    "(the value itself never stands here: it is kept in secrets/NAME.age)"
)
GENERATION = "the endings -next and -previous are those of a rotation; choose another name"
LABEL = "must be one DNS label: up to 63 small letters, digits and -, no - at the ends"
ROLE = "must be up to 63 small letters, digits and _, the first no digit"
SHARED = "this role belongs to the whole cluster; choose another"
DATABASE = "must be supabase_ and 1 to 54 small letters, digits or _: other names are other applications'"
BUCKET = "must be 3 to 63 small letters, digits, . and -, no . or - at the ends"
DOMAIN = "must be a DNS name in small letters, such as example.org"
LISTED = 'must be a list with the line of a .pub file an entry: ["ssh-ed25519 AAAA... you@workstation"]'
FRESH = "make one with `ssh-keygen -t ed25519` and give the line of its .pub file"
NOBODY = "must name at least one key, or nobody could open the secrets: the line of your ~/.ssh/id_ed25519.pub"
PATH = "must be an absolute path on the host, such as /etc/nixos/supabase"
HELPERS = "(helpers of your own start with _)"
PORT = "must be a whole number from 1024 to 65535"
KEYS = "anon_key, database, database_url, enable, jwt_secret, log_level, port, service_key, services, storage, subdomain"
HOST_KEYS = (
    "capacity, domain, identity, instance_defaults, instances, module_dir, operators, postgresql_port, secrets_dir, system, "
    "way_back_seconds"
)


def test_defaults_of_the_plan() -> None:
    (prod,) = host({"prod": {}}).instances
    assert prod.as_option() == {
        "enable": True,
        "slot": 0,
        "subdomain": "supabase-prod",
        "port": 8000,
        "logLevel": "info",
        "database": {"name": "supabase_prod", "user": "supabase_prod", "createDatabase": True},
        "storage": {"enable": True, "bucket": "supabase-storage"},
        "services": {"realtime": True, "auth": True, "restApi": True, "storage": True},
        "jwtSecret": "supabase-prod-jwt",
        "anonKey": "supabase-prod-anon",
        "serviceKey": "supabase-prod-service",
        "databaseUrl": "supabase-prod-db",
        "secrets": [f"supabase-prod-{kind}" for kind in ("anon", "db", "dbverifier", "jwt", "service")],
    }


def test_defaults_of_a_host() -> None:
    data = host({}).data
    assert data == HostData(
        system="nixos",
        domain="example.org",
        operators=(OPERATOR,),
        capacity=10,
        module_dir="/etc/nixos/supabase",
        postgresql_port=5432,
        way_back_seconds=180,
        secrets_dir="secrets",
        identity="~/.ssh/id_ed25519",
    )


def test_a_host_without_instances_is_a_host() -> None:
    """`instances = {}` is what is left after the last delete."""
    found = host({})
    assert found.instances == ()
    assert found.option() == {"capacity": 10, "domain": "example.org"}


def test_recipients_are_the_operators_and_the_host() -> None:
    found = host({}, operators=[f"{OPERATOR} me@here", OPERATOR])
    assert found.recipients == tuple(sorted([OPERATOR, HOST_KEY]))


def test_the_estate_finds_hosts_and_instances() -> None:
    found = estate(source({"prod": {}}, name="a"), source({"dev": {}, "test": {}}, name="b"))
    assert [item.name for item in found.instances] == ["prod", "dev", "test"]
    assert found.hosts == (found.host("a"), found.host("b"))
    assert found.host("c") is None


def test_a_host_that_has_no_instances_key_is_left_alone() -> None:
    assert [item.name for item in estate(source({"prod": {}}), HostInput("other", (), None)).hosts] == ["server"]


def test_instance_defaults_lie_under_each_instance() -> None:
    defaults = {"log_level": "warn", "database": {"create_database": False}, "services": {"auth": False}}
    dev, prod = host(
        {"prod": {"log_level": "error", "services": {"realtime": False}}, "dev": {}}, instance_defaults=defaults
    ).instances
    assert (dev.log_level, prod.log_level) == ("warn", "error")
    assert (dev.create_database, prod.create_database) == (False, False)
    assert dev.services == {"rest_api": True, "auth": False, "storage": True, "realtime": True}
    assert prod.services == {"rest_api": True, "auth": False, "storage": True, "realtime": False}


def test_a_stronger_layer_wins_and_is_named() -> None:
    """A host's own value is worth more than its group's, and the message names the file where it stands."""
    layers = (
        Layer("group_data/all.py", {"domain": "all.example.org", "capacity": 2000, "instance_defaults": {}}),
        Layer("group_data/lab.py", {"operators": [OPERATOR], "instances": {"prod": {}}, "domain": "lab.example.org"}),
        Layer("inventory.py", {"domain": "Host", "ssh_user": "root"}),
    )
    with pytest.raises(Invalid) as caught:
        validate([HostInput("server", layers, HOST_KEY)], {}, others=["ssh_user"])
    assert [str(mistake) for mistake in caught.value.mistakes] == [
        f"inventory.py: domain = 'Host': {DOMAIN}",
        "group_data/all.py: capacity = 2000: must be a whole number from 1 to 600",
    ]


@pytest.mark.parametrize(
    ("value", "field", "message"),
    [
        ({"enable": "yes"}, "enable = 'yes'", "must be True or False"),
        ({"enable": 1}, "enable = 1", "must be True or False"),
        ({"enable": None}, "enable = None", "must be True or False"),
        ({"subdomain": "Supabase"}, "subdomain = 'Supabase'", LABEL),
        ({"subdomain": "a.b"}, "subdomain = 'a.b'", LABEL),
        ({"subdomain": "-a"}, "subdomain = '-a'", LABEL),
        ({"subdomain": ""}, "subdomain = ''", LABEL),
        ({"subdomain": "a" * 64}, f"subdomain = '{'a' * 55}...'", LABEL),
        ({"subdomain": "supabase\n"}, r"subdomain = 'supabase\n'", LABEL),
        ({"subdomain": "a\n  1 mistake"}, r"subdomain = 'a\n  1 mistake'", LABEL),
        ({"subdomain": "\x1b[31m"}, r"subdomain = '\x1b[31m'", LABEL),
        ({"subdomain": 5}, "subdomain = 5", "must be text"),
        ({"subdomain": ["supabase"]}, "subdomain", "must be text"),
        ({"port": "8000"}, "port = '8000'", "must be a whole number"),
        ({"port": 8000.0}, "port = 8000.0", "must be a whole number"),
        ({"port": True}, "port = True", "must be a whole number"),
        ({"port": 1023}, "port = 1023", PORT),
        ({"port": 65536}, "port = 65536", PORT),
        ({"port": 20000}, "port = 20000", "20000 to 29599 belong to the slots; choose a port outside"),
        ({"port": 29599}, "port = 29599", "20000 to 29599 belong to the slots; choose a port outside"),
        ({"port": 5432}, "port = 5432", "already taken by PostgreSQL (postgresql_port); choose another"),
        ({"log_level": "verbose"}, "log_level = 'verbose'", "must be 'debug', 'info', 'warn' or 'error'"),
        ({"log_level": None}, "log_level = None", "must be 'debug', 'info', 'warn' or 'error'"),
        ({"database": "supabase_prod"}, "database = 'supabase_prod'", "must be a dictionary"),
        ({"database": None}, "database = None", "must be a dictionary"),
        ({"database": {"name": "postgres"}}, "database.name = 'postgres'", DATABASE),
        ({"database": {"name": "template1"}}, "database.name = 'template1'", DATABASE),
        ({"database": {"name": "supabase_"}}, "database.name = 'supabase_'", DATABASE),
        ({"database": {"name": "supabase_A"}}, "database.name = 'supabase_A'", DATABASE),
        ({"database": {"name": "supabase_" + "a" * 55}}, f"database.name = 'supabase_{'a' * 46}...'", DATABASE),
        ({"database": {"user": "Prod"}}, "database.user = 'Prod'", ROLE),
        ({"database": {"user": "1prod"}}, "database.user = '1prod'", ROLE),
        ({"database": {"user": "anon"}}, "database.user = 'anon'", SHARED),
        ({"database": {"user": "postgres"}}, "database.user = 'postgres'", SHARED),
        ({"database": {"user": "public"}}, "database.user = 'public'", SHARED),
        ({"database": {"user": "supabase_admin"}}, "database.user = 'supabase_admin'", SHARED),
        ({"database": {"user": "supabase_login"}}, "database.user = 'supabase_login'", SHARED),
        ({"database": {"user": "pg_monitor"}}, "database.user = 'pg_monitor'", SHARED),
        ({"database": {"create_database": 0}}, "database.create_database = 0", "must be True or False"),
        ({"database": {"usr": "me"}}, "database.usr", "unknown key; did you mean user?"),
        ({"storage": True}, "storage = True", "must be a dictionary"),
        ({"storage": {"enable": "no"}}, "storage.enable = 'no'", "must be True or False"),
        ({"storage": {"bucket": "A"}}, "storage.bucket = 'A'", BUCKET),
        ({"storage": {"bucket": "ab"}}, "storage.bucket = 'ab'", BUCKET),
        ({"storage": {"bucket": ".ab"}}, "storage.bucket = '.ab'", BUCKET),
        ({"storage": {"buckets": "a"}}, "storage.buckets", "unknown key; did you mean bucket?"),
        (
            {"storage": {"enable": True}, "services": {"storage": False}},
            "storage.enable = True",
            "services.storage = False says the opposite; they are one switch: set one of them, or both alike",
        ),
        ({"services": []}, "services", "must be a dictionary"),
        ({"services": {"rest": True}}, "services.rest", "unknown key; did you mean rest_api?"),
        ({"services": {"xyz": 1}}, "services.xyz", "unknown key; known: auth, realtime, rest_api, storage"),
        ({"services": {"realtime": None}}, "services.realtime = None", "must be True or False"),
        ({"services": {"auth": "on"}}, "services.auth = 'on'", "must be True or False"),
        ({"services": {"rest_api": 1.0}}, "services.rest_api = 1.0", "must be True or False"),
        ({"services": {"storage": "on"}}, "services.storage = 'on'", "must be True or False"),
        ({"log_levle": "info"}, "log_levle", "unknown key; did you mean log_level?"),
        ({"logLevel": "info"}, "logLevel", "unknown key; did you mean log_level?"),
        ({"xyz": 1}, "xyz", f"unknown key; known: {KEYS}"),
        ({1: 2}, "1", "keys must be text"),
        ({"jwt_secret": "Plain Secret"}, "jwt_secret", SECRET),
        ({"jwt_secret": 12345}, "jwt_secret", "must be text"),
        ({"anon_key": "/run/secrets/anon"}, "anon_key", SECRET),
        ({"service_key": "-rf"}, "service_key", SECRET),
        ({"database_url": "postgresql://supabase_prod:hunter2@localhost/x"}, "database_url", SECRET),
        ({"jwt_secret": "mine-next"}, "jwt_secret", GENERATION),
        ({"anon_key": "mine-previous"}, "anon_key", GENERATION),
        (
            {"jwt_secret": "both", "anon_key": "both"},
            "anon_key",
            "already taken by the jwt secret of instance prod on server; choose another",
        ),
        (
            {"anon_key": "supabase-prod-dbverifier"},
            "anon_key",
            "already taken by the dbverifier secret of instance prod on server; choose another",
        ),
        (
            {"database": {"user": "supabase_prod_auth"}},
            "database.user = 'supabase_prod_auth'",
            "already taken by the login of service auth of instance prod on server; choose another",
        ),
    ],
)
def test_a_wrong_value_of_an_instance(value: Any, field: str, message: str) -> None:
    assert mistakes(source({"prod": value, "dev": {}})) == [f"{FILE}: instance prod: {field}: {message}"]


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ({"domain": ...}, 'domain: is missing; the instances are served below it, so set it:  domain = "example.org"'),
        ({"domain": None}, 'domain: is missing; the instances are served below it, so set it:  domain = "example.org"'),
        ({"domain": "localhost"}, f"domain = 'localhost': {DOMAIN}"),
        ({"domain": "Example.org"}, f"domain = 'Example.org': {DOMAIN}"),
        ({"domain": "https://example.org"}, f"domain = 'https://example.org': {DOMAIN}"),
        ({"domain": "example.org."}, f"domain = 'example.org.': {DOMAIN}"),
        ({"domain": "a." * 94 + "org"}, f"domain = '{'a.' * 27}a...': {DOMAIN}"),
        ({"domain": 7}, "domain = 7: must be text"),
        (
            {"operators": ...},
            "operators: is missing; name the keys that may decrypt the secrets, a line of a .pub file each:  operators = "
            '["ssh-ed25519 AAAA... you@workstation"]  (`cat ~/.ssh/id_ed25519.pub` shows yours, '
            "`ssh-keygen -t ed25519` makes one)",
        ),
        ({"operators": []}, f"operators: {NOBODY}"),
        ({"operators": {OPERATOR}}, f"operators: {LISTED}"),
        ({"operators": OPERATOR}, f"operators = '{OPERATOR[:55]}...': {LISTED}"),
        ({"operators": [5]}, "operators[0]: must be text"),
        ({"operators": [OPERATOR, "me@here"]}, f"operators[1]: this is no SSH public key; {FRESH}"),
        ({"operators": [""]}, f"operators[0]: this is no SSH public key; {FRESH}"),
        ({"operators": ["~/.ssh/id_ed25519.pub"]}, f"operators[0]: this is the name of a file, not the key in it; {FRESH}"),
        ({"operators": ["age1qqq"]}, f"operators[0]: this is a recipient of age's own kind, and operators are SSH keys; {FRESH}"),
        (
            {"operators": ["ecdsa-sha2-nistp256 AAAA me"]},
            f"operators[0] = 'ecdsa-sha2-nistp256 AAAA me': age has no support for ecdsa-sha2-nistp256; {FRESH}",
        ),
        ({"operators": ["ssh-dss AAAA"]}, f"operators[0] = 'ssh-dss AAAA': age has no support for ssh-dss; {FRESH}"),
        (
            {"operators": ["sk-ssh-ed25519@openssh.com AAAA"]},
            "operators[0] = 'sk-ssh-ed25519@openssh.com AAAA': sk-ssh-ed25519@openssh.com lives in a security key, which age "
            f"cannot decrypt with; {FRESH}",
        ),
        (
            {"operators": [OPERATOR[:-8]]},
            f"operators[0] = '{OPERATOR[:55]}...': the key is cut off or damaged; copy the whole line of the .pub file",
        ),
        (
            {"operators": [f"{OPERATOR}\n{HOST_KEY}"]},
            f"operators[0] = '{OPERATOR[:55]}...': these are several lines; give one line of a .pub file an entry",
        ),
        ({"capacity": 0}, "capacity = 0: must be a whole number from 1 to 600"),
        ({"capacity": 601}, "capacity = 601: must be a whole number from 1 to 600"),
        ({"capacity": "10"}, "capacity = '10': must be a whole number"),
        ({"capacity": 1}, "capacity = 1: there are 2 instances; raise it to as many or more: PostgreSQL then restarts once"),
        ({"module_dir": "supabase"}, f"module_dir = 'supabase': {PATH}"),
        ({"module_dir": "/etc/../x"}, f"module_dir = '/etc/../x': {PATH}"),
        ({"module_dir": "/etc/"}, f"module_dir = '/etc/': {PATH}"),
        ({"module_dir": "/"}, f"module_dir = '/': {PATH}"),
        ({"postgresql_port": 0}, "postgresql_port = 0: must be a whole number from 1 to 65535"),
        (
            {"postgresql_port": 25432},
            "postgresql_port = 25432: 20000 to 29599 belong to the slots; let PostgreSQL listen elsewhere",
        ),
        ({"way_back_seconds": 9}, "way_back_seconds = 9: must be a whole number from 10 to 3600"),
        ({"way_back_seconds": 3601}, "way_back_seconds = 3601: must be a whole number from 10 to 3600"),
        ({"system": "debian"}, "system = 'debian': must be 'nixos' or 'sandbox'"),
        ({"secrets_dir": ""}, "secrets_dir = '': must be a path on this machine, on one line"),
        ({"secrets_dir": 3}, "secrets_dir = 3: must be text"),
        ({"identity": "a\nb"}, r"identity = 'a\nb': must be a path on this machine, on one line"),
        ({"instnace_defaults": {}}, f"instnace_defaults: unknown key; did you mean instance_defaults? {HELPERS}"),
        ({"xyz": 1}, f"xyz: unknown key; known: {HOST_KEYS} {HELPERS}"),
        ({"instance_defaults": []}, None),
        ({"instance_defaults": ["x"]}, "instance_defaults: must be a dictionary"),
        (
            {"instance_defaults": {"log_level": "loud"}},
            "instance_defaults.log_level = 'loud': must be 'debug', 'info', 'warn' or 'error'",
        ),
        ({"instance_defaults": {"service": {}}}, "instance_defaults.service: unknown key; did you mean services?"),
        ({"instance_defaults": {"services": {"atuh": 1}}}, "instance_defaults.services.atuh: unknown key; did you mean auth?"),
    ],
)
def test_a_wrong_value_of_a_host(data: Any, line: str | None) -> None:
    """Told once, whatever the number of instances."""
    if line is None:
        assert host({"dev": {}, "prod": {}}, **data)
    else:
        assert mistakes(source({"dev": {}, "prod": {}}, **data)) == [f"{FILE}: {line}"]


@pytest.mark.parametrize(
    ("instances", "line"),
    [
        ([], 'instances: must be a dictionary of names to values: instances = {"prod": {}}'),
        (None, 'instances = None: must be a dictionary of names to values: instances = {"prod": {}}'),
        ({"prod": []}, "instance prod: instances: must be a dictionary; {} takes every default"),
        ({"prod": None}, "instance prod: instances = None: must be a dictionary; {} takes every default"),
        ({"Prod": {}}, f"instances = 'Prod': {NAME}"),
        ({"my-app": {}}, f"instances = 'my-app': {NAME}"),
        ({"1st": {}}, f"instances = '1st': {NAME}"),
        ({"a" * 14: {}}, f"instances = '{'a' * 14}': {NAME}"),
        ({"": {}}, f"instances = '': {NAME}"),
        ({5: {}}, f"instances = 5: {NAME}"),
        ({"prod\n": {}}, rf"instances = 'prod\n': {NAME}"),
        *(({name: {}}, f"instances = '{name}': {RESERVED}") for name in sorted(names.RESERVED_INSTANCES)),
    ],
)
def test_a_wrong_dictionary_of_instances(instances: Any, line: str) -> None:
    assert mistakes(HostInput("server", (Layer(FILE, {**source().layers[0].data, "instances": instances}),), HOST_KEY)) == [
        f"{FILE}: {line}"
    ]


def test_no_host_with_instances() -> None:
    (line,) = mistakes(source(...))
    assert line == 'group_data: instances: no host has any; give the host\'s group a file with  instances = {"prod": {}}'


def test_a_misspelt_instances_is_named() -> None:
    """Not only that there are none: also why."""
    first, _ = mistakes(source(..., instnaces={"prod": {}}))
    assert first == f"{FILE}: instnaces: unknown key; did you mean instances? (helpers of your own start with _)"


def test_keys_of_pyinfra_and_helpers_are_nobodys_mistake() -> None:
    data = {**source({}).layers[0].data, "ssh_user": "root", "_sudo": True, "_mine": []}
    given = HostInput("server", (Layer(FILE, data),), HOST_KEY)
    assert validate([given], {}, others=["ssh_user", "ssh_key"])
    wrong = HostInput("server", (Layer(FILE, {**data, "ssh_usr": "root"}),), HOST_KEY)
    with pytest.raises(Invalid, match=r"ssh_usr: unknown key; did you mean ssh_user\?"):
        validate([wrong], {}, others=["ssh_user", "ssh_key"])


def test_no_host_key() -> None:
    assert mistakes(source({"prod": {}}, key=None)) == [
        "known_hosts: server: no host key of type ssh-ed25519 is recorded; run `just known-host server` and compare the "
        "fingerprint with the one the host's console shows"
    ]


def test_instances_of_two_groups() -> None:
    """pyinfra would silently keep one of the two."""
    both = HostInput("server", (Layer("group_data/a.py", {"instances": {"x": {}}}), *source({"prod": {}}).layers), HOST_KEY)
    assert mistakes(both) == [
        f"{FILE}: instances: also defined in group_data/a.py; pyinfra keeps only one of the two: move all instances of server "
        "into one"
    ]


def test_every_mistake_of_every_host_at_once() -> None:
    """Also a clash between instances of a host that has other mistakes."""
    found = mistakes(
        source({"prod": {"port": 80, "subdmain": "x"}, "a": {"subdomain": "x"}, "b": {"subdomain": "x"}}, name="one", domain="x"),
        source(
            {"Dev": {}, "test": {"enable": 3}}, name="two", file="group_data/two.py", key=None, capacity="many", operators=["?"]
        ),
    )
    assert [line.split(":")[0:3] for line in found] == [
        [FILE, " domain = 'x'", f" {DOMAIN}"],
        [FILE, " instance prod", " port = 80"],
        [FILE, " instance prod", " subdmain"],
        ["known_hosts", " two", found[3].split(":")[2]],
        ["group_data/two.py", " operators[0]", found[4].split(":")[2]],
        ["group_data/two.py", " capacity = 'many'", " must be a whole number"],
        ["group_data/two.py", " instances = 'Dev'", f" {NAME.split(':')[0]}"],
        ["group_data/two.py", " instance test", " enable = 3"],
        [FILE, " instance b", " subdomain = 'x'"],
    ]


PRIVATE = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ\n-----END OPENSSH PRIVATE KEY-----\n"
POISON = "hunter2hunter2"


@pytest.mark.parametrize(
    "poison",
    [
        PRIVATE,
        PRIVATE.splitlines()[1],
        "AGE-SECRET-KEY-1QQQQ",
        "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYSJ9.c2ln",
        "postgresql://u:p4ss@h/d",
    ],
)
def test_what_looks_like_a_secret_is_never_shown(poison: str) -> None:
    """Wherever it was pasted."""
    host_fields = {key: poison for key in HostData.model_fields if key != "operators"}
    listed = {
        "enable": poison,
        "subdomain": poison,
        "port": poison,
        "log_level": poison,
        "database": {"name": poison, "user": poison},
    }
    nested = {"storage": poison, "services": [poison], poison: 1, "jwt_secret": poison, "database_url": [poison]}
    told = "\n".join(
        mistakes(source({"prod": listed, "dev": nested, "x": poison, poison: {}}, operators=[OPERATOR, poison], **host_fields))
        + mistakes(source(poison, operators=poison, instance_defaults=poison))
    )
    parts = [part for part in poison.split() if len(part) > 12]
    assert parts
    assert not [line for line in told.splitlines() if any(part in line for part in parts)]


@pytest.mark.parametrize("field", ["jwt_secret", "anon_key", "service_key", "database_url"])
@pytest.mark.parametrize(
    "poison", [POISON.upper(), f"{POISON} ", f"{POISON}-next", [POISON], {POISON: POISON}, (POISON,), POISON]
)
def test_secret_names_are_never_shown(field: str, poison: Any) -> None:
    """Somebody may have typed the secret itself."""
    other = "anon_key" if field == "jwt_secret" else "jwt_secret"
    told = "\n".join(mistakes(source({"prod": {field: poison}, "dev": {other: poison}}, instance_defaults={field: poison})))
    assert POISON not in told.lower()


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner))


@given(values, st.sampled_from([*HostData.model_fields, "instances", "instance_defaults", "prod"]))
def test_anything_gives_an_estate_or_mistakes(value: Any, key: str) -> None:
    """Never a traceback, always whole lines."""
    changed = {"instances": {"prod": value}} if key == "prod" else {key: value}
    given = HostInput("server", (Layer(FILE, {**source({}).layers[0].data, **changed}),), HOST_KEY)
    with suppress(Invalid):
        validate([given], {})
        return
    told = mistakes(given)
    assert all(line.isprintable() for line in told)
