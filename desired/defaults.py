"""What group_data leaves open, filled in: from the instance's name, its slot, its profile or another of its values."""

from desired import names
from desired.instance import SECRET_FIELDS, Instance, environment_kind
from desired.model import InstanceData
from desired.numbers import public_port
from desired.profiles import PROFILES, SERVICES


def resolve(name: str, data: InstanceData, *, host: str, domain: str, slot: int) -> Instance:
    """Fill what `data` leaves open from the name, the slot and the profile."""
    services, profile = services_of(data), PROFILES[data.profile]
    smtp = {**data.smtp.model_dump(mode="json"), "sender_name": data.smtp.sender_name or name} if data.smtp else None
    return Instance(
        name=name,
        host=host,
        slot=slot,
        enable=data.enable,
        profile=data.profile,
        subdomain=data.subdomain or f"supabase-{name}",
        domain=domain,
        port=data.port or public_port(slot),
        log_level=data.log_level,
        database=data.database.name or names.owner(name),
        database_user=data.database.user or names.owner(name),
        create_database=data.database.create_database,
        services=services,
        auth=data.auth.model_dump(mode="json"),
        smtp=smtp,
        storage={**data.storage.model_dump(mode="json"), "enable": services["storage"]},
        realtime=data.realtime.model_dump(mode="json"),
        memory=data.limits.memory or profile.memory,
        tasks=data.limits.tasks or profile.tasks,
        environment={service: value for service, value in data.environment if value and services[service]},
        secret_environment={service: value for service, value in data.secret_environment if value and services[service]},
        secrets=secrets_of(name, data),
    )


def services_of(data: InstanceData) -> dict[str, bool]:
    """Every service, on or off: as written, else as the profile has it."""
    by_profile = PROFILES[data.profile].services
    written = {service: value for service, value in data.services if value is not None}
    storage = written.get("storage", data.storage.enable)
    on = {service: service in by_profile for service in SERVICES} | written
    if storage is not None:
        on["storage"] = storage
    # Images are read from files; a bucket elsewhere has no use for it.
    on["imgproxy"] = written.get("imgproxy", on["storage"] and data.storage.backend == "file")
    return on


def secrets_of(name: str, data: InstanceData) -> dict[str, str]:
    """Secret names by kind: the four of the plan, whose names may be chosen, and those that the services need."""
    on = services_of(data)
    needed = {
        "dbverifier": True,
        "realtime": on["realtime"],
        "dashboard": on["studio"],
        "meta": on["meta"],
        "s3": on["storage"],
        "s3backend": on["storage"] and data.storage.backend == "s3",
        "smtp": on["auth"] and data.smtp is not None and data.smtp.user is not None,
        "authdb": on["auth"] and not data.auth.database_socket,
        "authverifier": on["auth"] and not data.auth.database_socket,
    }
    chosen = {kind: getattr(data, field) or names.secret(name, kind) for kind, field in SECRET_FIELDS.items()}
    environments = {environment_kind(service): secret for service, secret in data.secret_environment if secret and on[service]}
    return {**chosen, **{kind: names.secret(name, kind) for kind, yes in needed.items() if yes}, **environments}
