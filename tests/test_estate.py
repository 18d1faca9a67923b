"""group_data as a person writes it: what it gives, and what is said of every mistake."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired import names
from desired.errors import Invalid
from desired.estate import Host
from desired.instance import Instance
from desired.model import HostData
from desired.sources import HostInput, Layer
from desired.validation import validate
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
KEYS = (
    "anon_key, auth, database, database_url, enable, environment, jwt_secret, limits, log_level, port, profile, realtime, "
    "secret_environment, service_key, services, smtp, storage, subdomain"
)
HOST_KEYS = (
    "acme_email, authelia, capacity, domain, edge, flake, host_memory, identity, instance_defaults, instances, module_dir, "
    "operators, postgresql_port, secrets_dir, system, way_back_seconds"
)
WEB = "must be a URL with its scheme, such as https://app.example.org"
ORIGIN = "must be scheme, host and port of a URL and nothing after them, such as http://127.0.0.1:9091"
REDIRECT = "must be a URL with its scheme, * allowed, such as https://*.example.org/** or org.example.app://login"
MAIL = "must be a mail address, such as admin@example.org"
LINE = r"must be one line of up to 200 characters without quotes, \ and $"
SERVER = "must be a DNS name in small letters or an IPv4 address, without a port"
VARIABLE = "the name of a variable must be capital letters, digits and _, the first a letter"
FLAKE = (
    "must be an absolute directory on the host, # and the name of the system in it, such as /etc/nixos#cloud "
    "(or path:/etc/nixos#cloud)"
)
S3 = (
    'is missing; backend = "s3" needs in storage:  '
    '"s3": {"endpoint": "https://s3.eu-central-1.amazonaws.com", "region": "eu-central-1", "bucket": "my-files"}'
)
MAILER = {"host": "smtp.example.org", "sender": "no-reply@example.org"}
AWAY = {"endpoint": "https://s3.example.org", "region": "eu", "bucket": "files"}


def running(item: Instance) -> set[str]:
    return {service for service, on in item.services.items() if on}


def test_defaults_of_the_plan() -> None:
    (prod,) = host({"prod": {}}).instances
    kinds = ("anon", "dashboard", "db", "dbverifier", "jwt", "meta", "realtime", "s3", "service")
    assert prod.option == {
        "enable": True,
        "slot": 0,
        "profile": "full",
        "subdomain": "supabase-prod",
        "port": 8000,
        "logLevel": "info",
        "database": {"name": "supabase_prod", "user": "supabase_prod", "createDatabase": True},
        "services": dict.fromkeys(("restApi", "auth", "storage", "realtime", "meta", "studio", "imgproxy"), True),
        "auth": {
            "siteUrl": None,
            "redirectUrls": [],
            "disableSignup": False,
            "autoconfirm": False,
            "jwtExpiry": 3600,
            "databaseSocket": True,
        },
        "smtp": None,
        "storage": {"enable": True, "bucket": "supabase-storage", "backend": "file", "s3": None, "fileSizeLimit": 52428800},
        "realtime": {"superuser": False, "maxConcurrentUsers": 200},
        "limits": {"memory": 2048, "tasks": 1024},
        "environment": {},
        "secretEnvironment": {},
        "jwtSecret": "supabase-prod-jwt",
        "anonKey": "supabase-prod-anon",
        "serviceKey": "supabase-prod-service",
        "databaseUrl": "supabase-prod-db",
        "secrets": [f"supabase-prod-{kind}" for kind in kinds],
    }


def test_defaults_of_a_host() -> None:
    assert host({}) == Host(
        name="server",
        host_key=HOST_KEY,
        instances=(),
        system="nixos",
        domain="example.org",
        operators=(OPERATOR,),
        capacity=10,
        host_memory=None,
        edge=None,
        acme_email=None,
        authelia=None,
        module_dir="/etc/nixos/supabase",
        flake=None,
        postgresql_port=5432,
        way_back_seconds=180,
        secrets_dir="secrets",
        identity="~/.ssh/id_ed25519",
    )


def test_a_host_without_instances_is_a_host() -> None:
    """`instances = {}` is what is left after the last delete."""
    found = host({})
    assert found.instances == ()
    assert found.option() == {"capacity": 10, "domain": "example.org"}, "what is not chosen the module decides"


def test_what_the_module_learns_of_a_host() -> None:
    """`flake` is the build's business."""
    chosen: dict[str, Any] = {"host_memory": 8192, "edge": "nginx", "acme_email": "admin@example.org", "authelia": "http://127.0.0.1:9091"}
    assert host({}, **chosen, flake="/etc/nixos#cloud").option() == {
        "capacity": 10,
        "domain": "example.org",
        "hostMemory": 8192,
        "edge": "nginx",
        "acmeEmail": "admin@example.org",
        "authelia": "http://127.0.0.1:9091",
    }


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
    defaults = {"profile": "app", "log_level": "warn", "database": {"create_database": False}, "services": {"auth": False}}
    dev, prod = host(
        {"prod": {"log_level": "error", "services": {"realtime": True, "auth": None}}, "dev": {}}, instance_defaults=defaults
    ).instances
    assert (dev.log_level, prod.log_level) == ("warn", "error")
    assert (dev.create_database, prod.create_database) == (False, False)
    assert running(dev) == {"rest_api", "storage", "imgproxy"}
    assert running(prod) == {"rest_api", "auth", "storage", "imgproxy", "realtime"}, "None goes back to the profile"


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
        (
            {"services": {"xyz": 1}},
            "services.xyz",
            "unknown key; known: auth, imgproxy, meta, realtime, rest_api, storage, studio",
        ),
        ({"services": {"realtime": "None"}}, "services.realtime = 'None'", "must be True or False"),
        (
            {"services": {"meta": False}},
            "services.studio = True",
            "Studio works through meta: switch services.meta on too, or studio off",
        ),
        (
            {"profile": "app", "services": {"studio": True}},
            "services.studio = True",
            "Studio works through meta: switch services.meta on too, or studio off",
        ),
        (
            {"storage": {"enable": False}, "services": {"imgproxy": True}},
            "services.imgproxy = True",
            "it reads the files of storage: switch services.storage on too, or leave this unset",
        ),
        (
            {"storage": {"backend": "s3", "s3": AWAY}, "services": {"imgproxy": True}},
            "services.imgproxy = True",
            'storage.backend = "s3" leaves no files here that it could read: leave this unset',
        ),
        ({"profile": "tiny"}, "profile = 'tiny'", "must be 'api', 'app' or 'full'"),
        ({"storage": {"backend": "s3"}}, "storage.s3", S3),
        ({"storage": {"backend": "S3"}}, "storage.backend = 'S3'", "must be 'file' or 's3'"),
        ({"storage": {"s3": "x"}}, "storage.s3 = 'x'", "must be a dictionary"),
        ({"storage": {"s3": AWAY | {"endpoint": "s3.example.org"}}}, "storage.s3.endpoint = 's3.example.org'", ORIGIN),
        ({"storage": {"s3": AWAY | {"endpoint": "https://key:secret@s3.example.org"}}}, "storage.s3.endpoint", ORIGIN),
        ({"storage": {"s3": AWAY | {"bucket": "A"}}}, "storage.s3.bucket = 'A'", BUCKET),
        (
            {"storage": {"s3": AWAY | {"region": "EU"}}},
            "storage.s3.region = 'EU'",
            "must be up to 63 small letters, digits and -, such as eu-central-1",
        ),
        (
            {"storage": {"s3": {"endpoint": "https://s3.example.org", "region": "eu"}}},
            "storage.s3.bucket",
            'is missing; name the bucket that all files go to:  "bucket": "my-files"',
        ),
        (
            {"storage": {"s3": AWAY | {"secret": "x"}}},
            "storage.s3.secret",
            "unknown key; known: bucket, endpoint, force_path_style, region",
        ),
        ({"storage": {"file_size_limit": 0}}, "storage.file_size_limit = 0", f"must be a whole number from 1 to {5 * 2**40}"),
        ({"auth": {"site_url": "app.example.org"}}, "auth.site_url = 'app.example.org'", WEB),
        ({"auth": {"site_url": "https://a.b/$(id)"}}, "auth.site_url = 'https://a.b/$(id)'", WEB),
        (
            {"auth": {"redirect_urls": "https://a.b"}},
            "auth.redirect_urls = 'https://a.b'",
            'must be a list with a URL an entry: ["https://app.example.org/**"]',
        ),
        ({"auth": {"redirect_urls": ["https://a.b", "c.d"]}}, "auth.redirect_urls[1] = 'c.d'", REDIRECT),
        ({"auth": {"redirect_urls": ["https://a.b,https://c.d"]}}, "auth.redirect_urls[0] = 'https://a.b,https://c.d'", REDIRECT),
        ({"auth": {"jwt_expiry": 59}}, "auth.jwt_expiry = 59", "must be a whole number from 60 to 604800"),
        ({"auth": {"autoconfirm": "no"}}, "auth.autoconfirm = 'no'", "must be True or False"),
        ({"auth": {"database_socket": 0}}, "auth.database_socket = 0", "must be True or False"),
        ({"auth": {"signup": True}}, "auth.signup", "unknown key; did you mean disable_signup?"),
        ({"smtp": {"sender": "a@b.c"}}, "smtp.host", 'is missing; name the mail server:  "host": "smtp.example.org"'),
        (
            {"smtp": {"host": "smtp.example.org"}},
            "smtp.sender",
            'is missing; name whom mails come from:  "sender": "no-reply@example.org"',
        ),
        ({"smtp": MAILER | {"host": "smtp.example.org:587"}}, "smtp.host = 'smtp.example.org:587'", SERVER),
        ({"smtp": MAILER | {"port": 0}}, "smtp.port = 0", "must be a whole number from 1 to 65535"),
        ({"smtp": MAILER | {"user": "a\nb"}}, r"smtp.user = 'a\nb'", LINE),
        ({"smtp": MAILER | {"user": ""}}, "smtp.user = ''", LINE),
        ({"smtp": MAILER | {"sender": "me"}}, "smtp.sender = 'me'", MAIL),
        ({"smtp": MAILER | {"sender_name": "Robert'); --"}}, '''smtp.sender_name = "Robert'); --"''', LINE),
        (
            {"smtp": MAILER | {"password": "hunter2"}},
            "smtp.password",
            "unknown key; known: host, port, sender, sender_name, user",
        ),
        ({"realtime": {"superuser": 1}}, "realtime.superuser = 1", "must be True or False"),
        (
            {"realtime": {"max_concurrent_users": 0}},
            "realtime.max_concurrent_users = 0",
            "must be a whole number from 1 to 1000000",
        ),
        ({"limits": {"memory": 63}}, "limits.memory = 63", "must be a whole number from 64 to 1048576"),
        ({"limits": {"memory": "1G"}}, "limits.memory = '1G'", "must be a whole number"),
        ({"limits": {"tasks": 15}}, "limits.tasks = 15", "must be a whole number from 16 to 100000"),
        ({"environment": {"rest": {}}}, "environment.rest", "unknown key; did you mean rest_api?"),
        ({"environment": {"auth": {"gotrue_x": "1"}}}, "environment.auth", VARIABLE),
        ({"environment": {"auth": {"X": 1}}}, "environment.auth.X", "must be text"),
        ({"environment": {"auth": {5: "x"}}}, "environment.auth[5]", "keys must be text"),
        ({"environment": {"auth": "X=1"}}, "environment.auth", "must be a dictionary"),
        ({"environment": {"auth": {"X": "a\nb"}}}, "environment.auth", "X must be one line of up to 1500 characters"),
        (
            {"profile": "api", "environment": {"auth": {"X": "1"}}},
            "environment.auth",
            "the service is off: switch services.auth on, or remove this",
        ),
        ({"secret_environment": {"auht": "x"}}, "secret_environment.auht", "unknown key; did you mean auth?"),
        ({"secret_environment": {"auth": "X=hunter2"}}, "secret_environment.auth", SECRET),
        (
            {"profile": "api", "secret_environment": {"storage": "mine"}},
            "secret_environment.storage",
            "the service is off: switch services.storage on, or remove this",
        ),
        (
            {"jwt_secret": "mine", "secret_environment": {"auth": "mine"}},
            "secret_environment.auth",
            "already taken by the jwt secret of instance prod on server; choose another",
        ),
        (
            {"secret_environment": {"auth": "mine", "storage": "mine"}},
            "secret_environment.storage",
            "already taken by the environment-auth secret of instance prod on server; choose another",
        ),
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
        ({"host_memory": 255}, "host_memory = 255: must be a whole number from 256 to 16777216"),
        (
            {"host_memory": 4095},
            "host_memory = 4095: the enabled instances may take 4096 MiB together (dev 2048, prod 2048); lower limits.memory or "
            "the profile of some, switch one off, or raise it",
        ),
        ({"host_memory": 4096}, None),
        ({"edge": "traefik"}, "edge = 'traefik': must be 'caddy', 'nginx', 'gateway' or 'none'"),
        ({"acme_email": "admin"}, f"acme_email = 'admin': {MAIL}"),
        ({"acme_email": "admin@example.org\n"}, rf"acme_email = 'admin@example.org\n': {MAIL}"),
        ({"authelia": "127.0.0.1:9091"}, f"authelia = '127.0.0.1:9091': {ORIGIN}"),
        ({"authelia": "http://127.0.0.1:9091/api"}, f"authelia = 'http://127.0.0.1:9091/api': {ORIGIN}"),
        ({"flake": "/etc/nixos"}, f"flake = '/etc/nixos': {FLAKE}"),
        ({"flake": "cloud"}, f"flake = 'cloud': {FLAKE}"),
        ({"flake": "github:me/nix#cloud"}, f"flake = 'github:me/nix#cloud': {FLAKE}"),
        ({"flake": "/etc/../nixos#cloud"}, f"flake = '/etc/../nixos#cloud': {FLAKE}"),
        ({"flake": "/etc/nixos#cloud;reboot"}, f"flake = '/etc/nixos#cloud;reboot': {FLAKE}"),
        ({"flake": "path:/etc/nixos#cloud"}, None),
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
