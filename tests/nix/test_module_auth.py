"""auth's environment, and its place on the host."""

import json

from tests.nix.evaluation import Lab, Library, instance
from tests.nix.rendered import section


def test_auth(lab: Lab, library: Library) -> None:
    """Every setting that auth must not be left to decide, all addresses from the one domain."""
    lab.put("prod", instance("prod", 0, "app", subdomain="supabase"))
    unit = lab.evaluate(library)["system"]["units"]["supabase-prod-auth.service"]
    assert variables(unit) == {
        "API_EXTERNAL_URL": "https://supabase.example.org/auth/v1",
        "DB_NAMESPACE": "auth",
        "GOGC": "50",
        "GOMAXPROCS": "2",
        "GOMEMLIMIT": "64MiB",
        "GOTRUE_API_HOST": "127.0.0.1",
        "GOTRUE_API_PORT": "20002",
        "GOTRUE_DB_CONN_MAX_IDLE_TIME": "5m",
        "GOTRUE_DB_CONN_MAX_LIFETIME": "1h",
        "GOTRUE_DB_DATABASE_URL": "postgres://supabase_prod_auth@/supabase_prod?host=/run/postgresql&port=5432",
        "GOTRUE_DB_DRIVER": "postgres",
        "GOTRUE_DB_MAX_IDLE_POOL_SIZE": "2",
        "GOTRUE_DB_MAX_POOL_SIZE": "4",
        "GOTRUE_DISABLE_SIGNUP": "false",
        "GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED": "false",
        "GOTRUE_EXTERNAL_EMAIL_ENABLED": "true",
        "GOTRUE_EXTERNAL_PHONE_ENABLED": "false",
        "GOTRUE_JWT_ADMIN_ROLES": "service_role",
        "GOTRUE_JWT_AUD": "authenticated",
        "GOTRUE_JWT_DEFAULT_GROUP_NAME": "authenticated",
        "GOTRUE_JWT_EXP": "3600",
        "GOTRUE_JWT_ISSUER": "https://supabase.example.org/auth/v1",
        "GOTRUE_LOG_LEVEL": "info",
        "GOTRUE_MAILER_AUTOCONFIRM": "false",
        "GOTRUE_MAILER_EXTERNAL_HOSTS": "supabase.example.org",
        "GOTRUE_MAILER_URLPATHS_CONFIRMATION": "/auth/v1/verify",
        "GOTRUE_MAILER_URLPATHS_EMAIL_CHANGE": "/auth/v1/verify",
        "GOTRUE_MAILER_URLPATHS_INVITE": "/auth/v1/verify",
        "GOTRUE_MAILER_URLPATHS_RECOVERY": "/auth/v1/verify",
        "GOTRUE_RATE_LIMIT_HEADER": "X-Forwarded-For",
        "GOTRUE_RELOADING_GRACE_PERIOD_INTERVAL": "100ms",
        "GOTRUE_RELOADING_NOTIFY_ENABLED": "false",
        "GOTRUE_RELOADING_SIGNAL_ENABLED": "true",
        "GOTRUE_SITE_URL": "https://supabase.example.org",
        "GOTRUE_URI_ALLOW_LIST": "",
    }


def test_auth_as_a_person_wants_it(lab: Lab, library: Library) -> None:
    """Its options; the administrator's variables win over them, and systemd replaces nothing in them."""
    auth = {"siteUrl": "https://app.example", "redirectUrls": ["https://*.app.example/**", "app://login"], "jwtExpiry": 600}
    smtp = {"host": "mail.example.org", "port": 25, "user": "me", "sender": "no-reply@example.org", "senderName": "The App"}
    lab.put(
        "prod",
        instance(
            "prod",
            0,
            "app",
            auth=instance("prod", 0)["auth"] | auth | {"disableSignup": True, "autoconfirm": True, "databaseSocket": False},
            smtp=smtp,
            environment={"auth": {"GOTRUE_JWT_AUD": "mine", "GOTRUE_PASSWORD_REQUIRED_CHARACTERS": '100%: a"b'}},
            secrets=[f"supabase-prod-{kind}" for kind in ("anon", "authdb", "db", "jwt", "s3", "service", "smtp")],
        ),
    )
    result = lab.evaluate(library)
    assert result["failed"] == []
    unit = result["system"]["units"]["supabase-prod-auth.service"]
    found = variables(unit)
    assert "GOTRUE_DB_DATABASE_URL" not in found, "with its password it is composed at run time"
    assert (
        found.items()
        >= {
            "GOTRUE_DISABLE_SIGNUP": "true",
            "GOTRUE_JWT_AUD": "mine",
            "GOTRUE_JWT_EXP": "600",
            "GOTRUE_MAILER_AUTOCONFIRM": "true",
            "GOTRUE_PASSWORD_REQUIRED_CHARACTERS": '100%: a"b',
            "GOTRUE_SITE_URL": "https://app.example",
            "GOTRUE_SMTP_ADMIN_EMAIL": "no-reply@example.org",
            "GOTRUE_SMTP_HOST": "mail.example.org",
            "GOTRUE_SMTP_PORT": "25",
            "GOTRUE_SMTP_SENDER_NAME": "The App",
            "GOTRUE_SMTP_USER": "me",
            "GOTRUE_URI_ALLOW_LIST": "https://*.app.example/**,app://login",
        }.items()
    )
    assert {"supabase-prod-authdb", "supabase-prod-smtp"} <= result["system"]["age"].keys()


def variables(unit: str) -> dict[str, str]:
    """The environment a unit gives, as systemd reads it."""
    words = (json.loads(word) for word in section(unit, "Environment"))
    return {key: value.replace("%%", "%") for key, value in (word.split("=", 1) for word in words)}
