"""The sandbox: this machine instead of a host. PostgreSQL is real; there is no NixOS, so nothing is built or activated."""

import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from pyinfra.api.command import FunctionCommand, StringCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State
from pyinfra.context import host

from desired import names
from desired.changes import Change
from desired.errors import Stop
from desired.sql_text import PSQL_ARGUMENTS, psql_word, session
from operations import databases
from operations.announce import announce, note
from operations.connection import run
from operations.site import Site
from operations.stops import Commands, fail, stops_host
from workstation import age, sandbox
from workstation.sandbox_server import SandboxServer

#: What a real host has and this machine does not: said in every report.
_SERVICES = "REST API, auth, storage, realtime, meta, Studio, imgproxy"
_NOT_EXERCISED = f"not exercised here: NixOS rebuild, the way back, edge, gateway and what is behind it: {_SERVICES}"


@operation()
@stops_host
def converge(site: Site) -> Commands:
    """PostgreSQL runs, holds every selected instance's database, and lets each owner log in with its URL."""
    server, is_asleep = _server(site), asleep(site)
    if is_asleep:
        yield from wake(site)
    plan = databases.plan(site, superuser(site), starting=not server.exists(), again=True)
    fresh = [] if server.exists() else [Change(None, "create", "PostgreSQL server")]
    announce(host, [*fresh, *plan.changes])
    if not fresh and not plan.changes:
        if not is_asleep:
            host.noop("PostgreSQL runs and holds every database")
        return
    yield FunctionCommand(_do, (server.start,), {})
    verifiers = {login: _opened(site, secret) for item in site.instances for login, secret in item.verifiers.items()}
    yield from plan.from_memory(verifiers)
    yield FunctionCommand(_log_in, (site, server), {})


def superuser(site: Site) -> str:
    """The superuser session of this machine's PostgreSQL."""
    server = _server(site)
    return session(psql=str(server.programs / "psql"), connection=server.connection)


def asleep(site: Site) -> bool:
    """Whether PostgreSQL is there but does not run."""
    server = _server(site)
    return server.exists() and not server.running()


def wake(site: Site) -> Commands:
    """Start it, because only then it tells what it holds."""
    announce(host, [Change(None, "start", "PostgreSQL server")])
    note(host, "what its databases need shows once it runs")
    yield FunctionCommand(_do, (_server(site).start,), {})


@operation()
@stops_host
def stop(site: Site) -> Commands:
    """The sandbox's PostgreSQL does not run; its data stay."""
    server = _server(site)
    if not server.running():
        host.noop("PostgreSQL does not run")
        return
    announce(host, [Change(None, "stop", "PostgreSQL server")])
    yield FunctionCommand(_do, (server.stop,), {})


@operation()
@stops_host
def reset(site: Site) -> Commands:
    """Nothing of the sandbox is left."""
    server = _server(site)
    places = [place for place in dict.fromkeys((server.place, sandbox.directory())) if place.exists()]
    if not places:
        host.noop("there is no sandbox")
        return
    announce(host, [Change(None, "remove", str(place)) for place in places])
    yield FunctionCommand(_do, (server.remove,), {})


def _do(state: State, host: Host, act: Callable[[], None]) -> bool:
    try:
        act()
    except Stop as stop:
        return fail(state, host, str(stop))
    return True


def how_to_look(site: Site) -> list[str]:
    """The lines that show a newcomer what is there."""
    server, store = _server(site), site.store
    first, place = site.instances[-1], sandbox.DIRECTORY
    secret = f"{place}/{store.secrets_dir}/{first.secrets['db']}.age"
    login = ["-h", "localhost", "-p", str(server.port), "-U", names.owner(first.name), "-d", first.database]
    return [
        f"  secrets    {place}/{store.secrets_dir}/*.age, with agenix' secrets.nix beside them",
        f"  decrypt    {_short(Path(sys.executable))} -m reports.decrypt -i {place}/identity {secret}   (or age -d ...)",
        f"  Nix files  {place}/etc/nixos/supabase",
        f"  log in     {shlex.join([_short(server.programs / 'psql'), *login])}   (the password stands in the decrypted URL)",
        f"  stop       {_short(Path(sys.executable).with_name('pyinfra'))} -y inventory.py tasks/sandbox_stop.py",
        f"  forget     {_short(Path(sys.executable).with_name('pyinfra'))} -y inventory.py tasks/sandbox_reset.py",
        f"  {_NOT_EXERCISED}",
    ]


def _short(path: Path) -> str:
    """Relative to the project where it lies inside."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _server(site: Site) -> SandboxServer:
    return SandboxServer(site.host.postgresql_port, 45 * site.host.capacity + 20)


def _log_in(state: State, host: Host, site: Site, server: SandboxServer) -> bool:
    """As every owner with the URL's password over TCP; the URL goes to psql on its stdin."""
    urls: Mapping[str, str] = {item.name: _opened(site, item.secrets["db"]) for item in site.enabled}
    lines = [f"\\connect {psql_word(url)}\nSELECT 'in {name}';\n" for name, url in urls.items()]
    # The superuser's guarded session will not do: its options are not an owner's to set.
    psql = shlex.join([str(server.programs / "psql"), *PSQL_ARGUMENTS, *server.connection])
    success, output = run(host, StringCommand(psql, _stdin="".join(lines)))
    refused = [name for name in urls if f"in {name}" not in output]
    return (success and not refused) or fail(state, host, f"the owner cannot log in: {', '.join(refused)}")


def _opened(site: Site, secret: str) -> str:
    """A secret as the host would have it: opened with the host's key, in memory."""
    ciphertext = site.secrets().ciphertext(secret)
    assert ciphertext is not None, "the secrets step has run"
    return (
        age.decrypt(ciphertext, sandbox.host_identity(), file=f"{secret}.age", recipients=site.host.recipients).decode().strip()
    )
