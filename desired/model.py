"""The shape of group_data: what a person writes, with the plan's names and defaults. Frozen; unknown keys are refused.

`description` says what to do where a value is missing.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from desired import forms, profiles


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class DatabaseData(Model):
    name: forms.DatabaseName | None = None
    user: forms.RoleName | None = None
    create_database: bool = True


class ServicesData(Model):
    """None follows the profile; `storage` first follows `storage.enable`, `imgproxy` follows `storage`."""

    rest_api: bool | None = None
    auth: bool | None = None
    storage: bool | None = None
    realtime: bool | None = None
    meta: bool | None = None
    studio: bool | None = None
    imgproxy: bool | None = None


class AuthData(Model):
    """`database_socket`: False lets it log in with a password over TCP."""

    site_url: forms.WebUrl | None = None
    redirect_urls: forms.RedirectUrls = ()
    disable_signup: bool = False
    autoconfirm: bool = False
    jwt_expiry: forms.Seconds = 3600
    database_socket: bool = True


class SmtpData(Model):
    """The password is a secret of its own, wanted when there is a `user`."""

    host: Annotated[forms.HostName, Field(description='name the mail server:  "host": "smtp.example.org"')]
    port: forms.Port = 587
    user: forms.Line | None = None
    sender: Annotated[forms.MailAddress, Field(description='name whom mails come from:  "sender": "no-reply@example.org"')]
    sender_name: forms.Line | None = None


class S3Data(Model):
    """Where files go with `backend` "s3". The key is a secret of its own."""

    endpoint: Annotated[forms.Origin, Field(description='name the server:  "endpoint": "https://s3.eu-central-1.amazonaws.com"')]
    region: Annotated[forms.Region, Field(description='name the region:  "region": "eu-central-1"')]
    bucket: Annotated[forms.Bucket, Field(description='name the bucket that all files go to:  "bucket": "my-files"')]
    force_path_style: bool = True


class StorageData(Model):
    enable: bool | None = None
    bucket: forms.Bucket = "supabase-storage"
    backend: Literal["file", "s3"] = "file"
    s3: S3Data | None = None
    file_size_limit: forms.Bytes = 52428800


class RealtimeData(Model):
    superuser: bool = False
    max_concurrent_users: forms.Users = 200


class EnvironmentData(Model):
    """Public variables of a service beyond what the options above set."""

    rest_api: forms.Variables = {}
    auth: forms.Variables = {}
    storage: forms.Variables = {}
    realtime: forms.Variables = {}
    meta: forms.Variables = {}
    studio: forms.Variables = {}
    imgproxy: forms.Variables = {}


class SecretEnvironmentData(Model):
    """Names of secrets that hold lines KEY=VALUE for a service."""

    rest_api: forms.SecretName | None = None
    auth: forms.SecretName | None = None
    storage: forms.SecretName | None = None
    realtime: forms.SecretName | None = None
    meta: forms.SecretName | None = None
    studio: forms.SecretName | None = None
    imgproxy: forms.SecretName | None = None


class LimitsData(Model):
    """Of all services of an instance together; None follows the profile. `memory` in MiB."""

    memory: forms.Memory | None = None
    tasks: forms.Tasks | None = None


class InstanceData(Model):
    """One value of `instances`. What is None follows from the instance's name, its slot, its profile or another field."""

    enable: bool = True
    profile: profiles.Name = "full"
    subdomain: forms.Subdomain | None = None
    port: forms.GatewayPort | None = None
    log_level: Literal["debug", "info", "warn", "error"] = "info"
    database: DatabaseData = DatabaseData()
    services: ServicesData = ServicesData()
    auth: AuthData = AuthData()
    smtp: SmtpData | None = None
    storage: StorageData = StorageData()
    realtime: RealtimeData = RealtimeData()
    limits: LimitsData = LimitsData()
    environment: EnvironmentData = EnvironmentData()
    secret_environment: SecretEnvironmentData = SecretEnvironmentData()
    jwt_secret: forms.SecretName | None = None
    anon_key: forms.SecretName | None = None
    service_key: forms.SecretName | None = None
    database_url: forms.SecretName | None = None


class HostData(Model):
    """The top-level keys of group_data that describe a host, `instances` and `instance_defaults` aside."""

    system: Literal["nixos", "sandbox"] = "nixos"
    domain: Annotated[forms.Domain, Field(description='the instances are served below it, so set it:  domain = "example.org"')]
    operators: Annotated[
        forms.Operators,
        Field(
            description="name the keys that may decrypt the secrets, a line of a .pub file each:  "
            'operators = ["ssh-ed25519 AAAA... you@workstation"]  (`cat ~/.ssh/id_ed25519.pub` shows yours, '
            "`ssh-keygen -t ed25519` makes one)"
        ),
    ]
    capacity: forms.Capacity = 10
    host_memory: forms.HostMemory | None = None
    edge: Literal["caddy", "nginx", "gateway", "none"] | None = None
    acme_email: forms.MailAddress | None = None
    authelia: forms.Origin | None = None
    module_dir: forms.HostPath = "/etc/nixos/supabase"
    flake: forms.Flake | None = None
    postgresql_port: forms.Port = 5432
    way_back_seconds: forms.WayBackSeconds = 180
    secrets_dir: forms.LocalPath = "secrets"
    identity: forms.LocalPath = "~/.ssh/id_ed25519"


def merged(defaults: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    """`value` over `defaults`, dictionary by dictionary; both are left as they are."""
    result = dict(defaults)
    for key, item in value.items():
        below = result.get(key)
        result[key] = merged(below, item) if isinstance(below, dict) and isinstance(item, dict) else item
    return result
