"""The sandbox: this machine instead of a host. PostgreSQL is real; there is no NixOS, so nothing is built or activated."""

import shlex
from collections.abc import Mapping

from pyinfra.api.command import FunctionCommand, StringCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State
from pyinfra.context import host

from desired import names
from desired.changes import Change
from desired.errors import Stop
from desired.instance import Instance
from desired.sql_text import psql_word, session
from operations import databases
from operations.announce import announce
from operations.connection import run
from operations.site import Site
from operations.stops import Commands, fail, stops_host
from workstation import age, sandbox
from workstation.sandbox_server import SandboxServer

#: What a real host has and this machine does not: said in every report.
_NOT_EXERCISED = "not exercised here: NixOS rebuild, gateway, REST API, edge, the way back"


@operation()
@stops_host
def converge(site: Site) -> Commands:
    """PostgreSQL runs, holds every selected instance's database, and lets each owner log in with its URL."""
    server = _server(site)
    superuser = session(psql=str(server.programs / "psql"), connection=server.connection)
    changes = [] if server.running() else [Change(None, "start" if server.exists() else "create", "PostgreSQL server")]
    plan = databases.plan(site, superuser)
    announce(host, [*changes, *plan.changes])
    if not changes and not plan.changes:
        host.noop("PostgreSQL runs and holds every database")
        return
    yield FunctionCommand(_start, (server,), {})
    verifiers = {item.name: _opened(site, item, "dbverifier") for item in site.instances}
    yield from plan.from_memory(verifiers)
    yield FunctionCommand(_log_in, (site, server), {})


def how_to_look(site: Site) -> list[str]:
    """The lines that show a newcomer what is there."""
    server, store = _server(site), site.store
    first = site.instances[0]
    shown = [f"  secrets    {store.secrets_dir}/*.age in {sandbox.DIRECTORY}, for agenix: secrets.nix, supabase.nix"]
    shown += [f"  Nix files  {sandbox.DIRECTORY}/etc/nixos/supabase"]
    shown += [f"  decrypt    python -m reports.secret {first.name} db"]
    login = [str(server.programs / "psql"), "-h", "localhost", "-p", str(server.port), "-U", names.owner(first.name), "-d", first.database]
    shown += [f"  log in     {shlex.join(login)}   (the password stands in the URL of `db`)"]
    shown += ["  stop       just sandbox-stop", "  forget     just sandbox-reset", f"  {_NOT_EXERCISED}"]
    return shown


def _server(site: Site) -> SandboxServer:
    return SandboxServer(site.host.data.postgresql_port, 45 * site.host.data.capacity + 20)


def _start(state: State, host: Host, server: SandboxServer) -> bool:
    try:
        if not server.running():
            server.start()
    except Stop as stop:
        return fail(state, host, str(stop))
    return True


def _log_in(state: State, host: Host, site: Site, server: SandboxServer) -> bool:
    """As every owner with the URL's password over TCP; the URL goes to psql on its stdin."""
    urls: Mapping[str, str] = {item.name: _opened(site, item, "db") for item in site.enabled}
    lines = [f"\\connect {psql_word(url)}\nSELECT 'in {name}';\n" for name, url in urls.items()]
    command = session(psql=str(server.programs / "psql"), connection=server.connection)
    success, output = run(host, StringCommand(command, _stdin="".join(lines)))
    refused = [name for name in urls if f"in {name}" not in output]
    return (success and not refused) or fail(state, host, f"the owner cannot log in: {', '.join(refused)}")


def _opened(site: Site, instance: Instance, kind: str) -> str:
    """A secret as the host would have it: opened with the host's key, in memory."""
    secret = instance.secrets[kind]
    ciphertext = site.secrets().ciphertext(secret)
    assert ciphertext is not None, "the secrets step has run"
    return age.decrypt(
        ciphertext, sandbox.host_identity(), file=f"{secret}.age", recipients=site.host.recipients
    ).decode().strip()
