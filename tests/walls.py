"""Who there is to attack whom: the instances of complete.py, deployed, each with something of its own to be taken."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.api import Api
from tests.attack_sql import Victim
from tests.attacks import PROBE, Actor, Result, Tally, probe
from tests.complete import INSTANCES, complete
from tests.host import Machine
from tests.lab import Lab

SERVICES = {
    "prod": ("gateway", "rest", "auth", "storage", "realtime", "meta", "studio", "imgproxy"),
    "dev": ("gateway", "rest", "auth", "storage", "realtime", "meta", "studio", "imgproxy"),
    "stage": ("gateway", "rest"),
}
#: Where programs listen in the namespaces (__ports.nix), the gateway's own listener among them.
INSIDE = (9999, 5000, 4000, 8080, 3000, 5001, 5432, 5433, 20000)
NAMESPACED = ("gateway", "storage", "realtime", "meta", "studio", "imgproxy")
#: The user behind each kind of login, and those of services that have none.
PEERS = {"rest": "_authenticator", "auth": "_auth", "storage": "_storage", "realtime": "_realtime", "meta": ""}
SHARED = ("anon", "authenticated", "service_role", "supabase_realtime_admin", "supabase_storage_admin")
SHARED_OWNERS = ("supabase_auth_admin", "supabase_login", "dashboard_user")
#: The host's own configuration lets the superuser replicate, and one role of a scratch database in without a password: where
#: attempts of these kinds succeed.
OPEN = """services.postgresql.authentication = lib.mkOrder 400 ''
  local replication postgres peer
  host scratch open 127.0.0.1/32 trust
'';"""

#: A table that says whose it is, and sessions that stay: the shop's, a reader of changes in each full instance.
PREPARE = """
runuser -u postgres -- psql -Xqd postgres -c 'CREATE DATABASE scratch' -c 'CREATE ROLE open LOGIN'
install -d -o postgres -g postgres -m 0700 /var/lib/postgresql/intruder
systemd-run -q --unit=shop-session -p User=shop psql -Xqd shop -c 'SELECT pg_sleep(9999)'
for name in prod dev; do
  login="-U supabase_${name}_realtime -d supabase_$name"
  for slot in busy idle; do
    runuser -u supabase-$name-realtime -- pg_recvlogical $login --create-slot -S ${name}_$slot -P test_decoding
  done
  systemd-run -q --unit=reader-$name -p User=supabase-$name-realtime pg_recvlogical $login --start -S ${name}_busy -f /dev/null
done
for unit in prod dev shop; do systemd-run -q --unit=target-$unit sleep 9999; done
"""


def unit(name: str, service: str) -> str:
    """Unit and user."""
    return f"supabase-{name}" if service == "gateway" else f"supabase-{name}-{service}"


@dataclass
class World:
    lab: Lab
    apis: dict[str, Api]
    slots: dict[str, int]
    groups: dict[str, tuple[str, ...]]
    tally: Tally = field(default_factory=Tally)
    known: dict[tuple[str, str], str] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    @property
    def machine(self) -> Machine:
        return self.lab.machine

    def root(self, statement: str, database: str = "postgres") -> str:
        """What the superuser is answered."""
        return self.machine.run(
            f"runuser -u postgres -- psql -XqtA -v ON_ERROR_STOP=1 -d {database} -f -", stdin=statement
        ).stdout.strip()

    def secret(self, name: str, kind: str) -> str:
        """Of an instance; each is decrypted once."""
        if (name, kind) not in self.known:
            self.known[name, kind] = self.apis[name].secret(kind)
        return self.known[name, kind]

    def others(self, name: str) -> list[str]:
        return [other for other in (*INSTANCES, "shop") if other != name]

    def victim(self, name: str) -> Victim:
        if name == "shop":
            return Victim("shop", "shop", ("shop",), "shop")
        logins = tuple(f"supabase_{name}{suffix}" for suffix in ("", "_authenticator", "_auth", "_storage", "_realtime"))
        if name == "stage":
            return Victim(name, "supabase_theatre", (*logins, "stager"), f"{logins[1]}")
        return Victim(name, f"supabase_{name}", logins, logins[1], f"{name}_busy")

    def user(self, name: str, service: str, inside: bool = False) -> Actor:
        """A service's user with its unit's groups; `inside`: in the network of its instance."""
        who = unit(name, service)
        return Actor(who, self.groups.get(who, ()), f"supabase-{name}" if inside else "")

    def users(self, *, namespaces: bool = False) -> Iterator[tuple[str, Actor]]:
        """Everybody who is no administrator, with the instance they belong to."""
        for name, services in SERVICES.items():
            for service in services:
                yield name, self.user(name, service)
                if namespaces and service in NAMESPACED:
                    yield name, self.user(name, service, inside=True)
        yield "shop", Actor("shop")
        yield "", Actor("guest")

    def tried(self, mark: str, lines: Mapping[str, Sequence[str]], *, namespaces: bool = False) -> list[Result]:
        """What everybody tries against everybody else. `lines`: whose they are."""
        tries = {
            actor: [line for other, wanted in lines.items() if other != name for line in wanted]
            for name, actor in self.users(namespaces=namespaces)
        }
        return probe(self.machine, tries, mark)

    def as_root(self, lines: Iterable[str], mark: str = "", namespace: str = "") -> list[Result]:
        return probe(self.machine, {Actor("root", namespace=namespace): list(lines)}, mark)


def besieged(machine: Machine, directory: Path) -> World:
    """Deployed, prepared, and nothing tried yet."""
    start = time.monotonic()
    lab = complete(machine, directory, OPEN)
    run = lab.project.converge()
    assert run.status == 0, run.output
    machine.put(PROBE, (Path(__file__).parent / "probe.pl").read_text(), "0755")
    machine.run(PREPARE)
    apis = {name: Api(lab.project, machine, name) for name in INSTANCES}
    for name, api in apis.items():
        api.psql(f"CREATE TABLE public.notes (body text); INSERT INTO public.notes VALUES ('of {name}');")
    slots = json.loads(lab.project.files()["slots.json"])[machine.ip]
    shown = machine.run(
        "for u in $(systemctl list-units --plain --no-legend 'supabase-*.service' | cut -d' ' -f1); do "
        "echo $u $(systemctl show -P SupplementaryGroups $u); done"
    ).stdout
    groups = {name.removesuffix(".service"): tuple(rest) for name, *rest in map(str.split, shown.splitlines())}
    assert groups["supabase-prod"] == ("supabase-prod-rest",)
    assert groups["supabase-dev-imgproxy"] == ("supabase-dev-storage",)
    return World(lab, apis, slots, groups, started=start)
