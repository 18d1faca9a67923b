"""The address and API keys of one instance:  python -m reports.keys NAME [--service]

Prints lines for an application's .env, and nothing else, on standard output. The anon key is public by nature; the service
key passes every wall of its instance.
"""

import argparse

import pyinfra_cli  # type: ignore[import-untyped]  # noqa: F401 -- patches the standard library, before pyinfra is there

from desired.errors import SecretStop
from desired.estate import Host
from desired.instance import Instance
from desired.secret_plan import judged, wanted
from desired.selection import selected_instance
from operations.estate import load_estate
from operations.site import project
from reports.project import exit_code, load, show
from workstation import journal
from workstation.secret_store import SecretStore


def main() -> int:
    """0 with the lines on standard output; 1 with the reason on standard error."""
    parser = argparse.ArgumentParser(prog="just supabase-keys", description="The address and API keys of one instance.")
    parser.add_argument("instance", help="its name in group_data")
    parser.add_argument("--service", action="store_true", help="the service key too: it passes row level security")
    arguments = parser.parse_args()
    return exit_code(lambda: _keys(arguments.instance, arguments.service))


def _keys(name: str, service: bool) -> int:
    estate = load_estate(load().inventory)
    selected_instance({"instance": name}, (item.name for item in estate.instances))
    host, item = next((host, item) for host in estate.hosts for item in host.instances if item.name == name)
    lines = [f"SUPABASE_URL={item.url}", f"SUPABASE_ANON_KEY={_value(host, item, 'anon')}"]
    if service:
        lines.append(f"SUPABASE_SERVICE_ROLE_KEY={_value(host, item, 'service')}")
    show("\n".join(lines))
    return 0


def _value(host: Host, item: Instance, kind: str) -> str:
    """The value, of a file that is proven to be what its name says. Raises SecretStop."""
    store = SecretStore(project(host.system), host.secrets_dir, host.identity)
    secret = next(found for found in wanted(host, (item,)) if found.kind == kind)
    with store.reading():
        stored = store.stored(secret.secret, journal.pending(store.directory, item.name))
        if stored.ciphertext is None and stored.sidecar is None:
            problem = "is missing: `just deploy` makes it; if it was there once, restore it from git"
            raise SecretStop(f"{store.shown(secret.secret)} {problem}")
        sidecar = judged(secret, stored, store.secrets_dir, store.origin)
        if isinstance(sidecar, str):
            raise SecretStop(sidecar)
        return store.value(secret.secret, stored.ciphertext or b"", sidecar.recipients)


if __name__ == "__main__":
    raise SystemExit(main())
