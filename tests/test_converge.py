"""From a bare host to a changing one, in the order of the tests: each continues on the machine the one before left.

Beside prod and dev another application uses the host's PostgreSQL, with a connection that stays open.
"""

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jwt
import pytest
from supabase import create_client

from tests.api import Api, Client, Session, client
from tests.converge import converge_checked
from tests.host import Machine
from tests.lab import Lab, bare
from tests.seen import look
from workstation import memory

NOTES = """
CREATE TABLE notes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text NOT NULL, shared boolean NOT NULL DEFAULT false);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY everyone_reads_shared ON notes FOR SELECT TO anon USING (shared);
CREATE POLICY users_read ON notes FOR SELECT TO authenticated USING (true);
CREATE POLICY users_write ON notes FOR INSERT TO authenticated WITH CHECK (NOT shared);
GRANT SELECT, INSERT ON notes TO anon, authenticated, service_role;
INSERT INTO notes (body, shared) VALUES ('{0} shared', true), ('{0} private', false);
NOTIFY pgrst, 'reload schema';
"""


@dataclass
class World:
    lab: Lab
    prod: Api
    dev: Api
    foreign: Session | None = None

    @property
    def machine(self) -> Machine:
        return self.lab.machine

    @property
    def foreign_backend(self) -> str:
        assert self.foreign is not None
        return self.foreign.ask("SELECT pg_backend_pid() || ' ' || count(*) FROM ledger;")


@pytest.fixture(scope="module")
def world(shared_machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A host with PostgreSQL and somebody else's database, and a project that nobody has deployed yet."""
    lab = bare(shared_machine, tmp_path_factory.mktemp("converge"))
    shared_machine.run(
        "runuser -u postgres -- psql -X -v ON_ERROR_STOP=1 -q -c 'CREATE ROLE shop LOGIN' -c 'CREATE DATABASE shop OWNER shop'\n"
        "useradd --system shop\n"
        "runuser -u shop -- psql -X -q -c 'CREATE TABLE ledger (n int)' -c 'INSERT INTO ledger VALUES (1)'"
    )
    return World(lab, Api(lab.project, shared_machine, "prod"), Api(lab.project, shared_machine, "dev"))


def _shop(machine: Machine) -> "subprocess.Popen[str]":
    command = "runuser -u shop -- psql -X -qtA"
    return subprocess.Popen(
        [*machine.connection.command(), command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


@pytest.fixture(scope="module")
def shop(world: World) -> Iterator[Session]:
    """The other application's connection, opened after the first deploy."""
    with _shop(world.machine) as process:
        world.foreign = Session(process)
        yield world.foreign
        if process.stdin:
            process.stdin.close()


def test_a_bare_host_serves_two_instances_after_one_run(world: World) -> None:
    with _shop(world.machine) as process:
        open_before = Session(process)
        assert open_before.ask("SELECT n FROM ledger;") == "1"
        checked = converge_checked(world.lab.project, world.machine)
        open_before.send("SELECT 1;")
        process.communicate()
        assert process.returncode != 0, "the announced restart of PostgreSQL ends connections"
    print(f"first deploy of two instances: {checked.seconds:.1f} s, {len(checked.kinds)} changes")
    assert [kind for kind in checked.kinds if "restart" in kind] == ["host: restart postgresql.service"]
    for name in ("shop", "postgres", "template1"):
        assert checked.before.databases.digests[name] == checked.after.databases.digests[name]
    assert checked.before.roles.digests["shop"] == checked.after.roles.digests["shop"]


def test_rows_through_the_gateways_under_row_level_security(world: World) -> None:
    answers = 0
    apis = {"prod": (world.prod, world.dev), "dev": (world.dev, world.prod)}
    for name, (api, other) in apis.items():
        api.psql(NOTES.format(name))
        with api.forward() as port, client(port) as ask:
            anon, service = api.secret("anon"), api.secret("service")
            _until_known(ask, service)
            user = jwt.encode(
                {"role": "authenticated", "iss": "supabase", "exp": int(time.time()) + 60},
                api.secret("jwt"),
                headers={"kid": jwt.get_unverified_header(anon)["kid"]},
            )
            note = {"body": f"written to {name}"}
            stranger = other.secret("jwt")
            forged = jwt.encode({"role": "service_role", "exp": int(time.time()) + 60}, stranger)
            table = "/rest/v1/notes"
            for what, expected, rows in [
                (ask.ask(f"{table}?select=body", anon), 200, [{"body": f"{name} shared"}]),
                (ask.ask(table, anon, "POST", note), 401, None),
                (
                    ask.ask(f"{table}?select=body&order=id", service),
                    200,
                    [{"body": f"{name} shared"}, {"body": f"{name} private"}],
                ),
                (ask.ask(f"{table}?select=body", service, "POST", note), 201, [note]),
                (ask.ask(f"{table}?select=body", anon, "POST", note, token=user), 201, [note]),
                (ask.ask(table, anon, "POST", {**note, "shared": True}, token=user), 403, None),
                (ask.ask(f"{table}?select=id", anon, token=user), 200, [{"id": 1}, {"id": 2}, {"id": 4}, {"id": 5}]),
                (ask.ask(table), 401, None),
                (ask.ask(table, other.secret("anon")), 401, None),
                (ask.ask(table, other.secret("service")), 401, None),
                (ask.ask(table, anon, token=other.secret("service")), 401, None),
                (ask.ask(table, anon, token=forged), 401, None),
                (ask.ask(f"{table}?apikey={other.secret('service')}"), 401, None),
                (ask.ask("/rest/v1/", anon), 403, None),
            ]:
                assert (what.status, what.body if rows is not None else None) == (expected, rows)
                answers += 1
    print(f"{answers} requests as expected")


def _until_known(ask: Client, service: str) -> None:
    """PostgREST reads its schema cache again shortly after it is told to."""
    end = time.monotonic() + 5
    while ask.ask("/rest/v1/notes", service).status != 200 and time.monotonic() < end:
        time.sleep(0.05)


def test_supabase_s_own_client(world: World) -> None:
    with world.prod.forward() as port:
        url = f"http://127.0.0.1:{port}"
        anon = create_client(url, world.prod.secret("anon"))
        service = create_client(url, world.prod.secret("service"))
        assert [row["body"] for row in _rows(anon.table("notes").select("body").execute())] == ["prod shared"]
        made = _rows(service.table("notes").insert({"body": "by supabase-py", "shared": True}).execute())
        assert made[0]["body"] == "by supabase-py"
        found = anon.table("notes").select("id, body").eq("id", made[0]["id"]).execute()
        assert _rows(found)[0]["body"] == "by supabase-py"
        service.table("notes").delete().eq("id", made[0]["id"]).execute()
        with pytest.raises(Exception, match="Invalid API key"):
            create_client(url, world.dev.secret("anon")).table("notes").select("body").execute()


def _rows(answer: object) -> list[dict[str, object]]:
    data = getattr(answer, "data", None)
    assert isinstance(data, list)
    return data


def test_owners_log_in_to_their_own_database_only(world: World) -> None:
    assert world.prod.psql("SELECT current_user, current_database();").stdout == "supabase_prod|supabase_prod\n"
    for database in ("supabase_dev", "shop", "postgres"):
        refused = world.prod.psql("SELECT 1;", check=False, database=database)
        assert refused.returncode != 0, database
        assert "1" not in refused.stdout.split()


def test_a_second_run_leaves_every_process_and_byte(world: World, shop: Session) -> None:
    before, state = look(world.lab.project, world.machine), world.lab.project.files()
    start = time.monotonic()
    assert world.lab.project.converge().unchanged
    print(f"run without changes: {time.monotonic() - start:.1f} s")
    after = look(world.lab.project, world.machine)
    assert after == before
    assert world.lab.project.files() == state
    running = {name for name, unit in after.running("supabase-").items() if unit.state == "active"}
    assert {name for name in running if name.endswith((".service", ".socket"))} == {
        f"supabase-{name}{unit}"
        for name, port in (("dev", 8000), ("prod", 8001))
        for unit in (".service", "-rest.service", "-net.service", f"-{port}.socket")
    }


def test_a_run_without_changes_is_no_request_in_an_instance_s_log(world: World) -> None:
    """At level info refused and failed requests stand there: a person would take those of health for a client's."""
    lines = "journalctl --quiet --unit='supabase-*' | wc -l"

    def logged() -> int:
        return int(world.machine.run(f"sleep 1; {lines}").stdout)

    first = logged()
    world.machine.run("curl -s -o /dev/null http://127.0.0.1:8000/rest/v1/notes")
    before = logged()
    assert before > first
    assert world.lab.project.converge().unchanged
    assert logged() == before


def test_log_level_of_dev_restarts_dev_and_leaves_prod_s_connections(world: World, shop: Session) -> None:
    backend = world.foreign_backend
    with world.prod.session() as session, world.prod.forward() as port, client(port) as keep:
        pid = session.ask("BEGIN; INSERT INTO notes (body, shared) VALUES ('open', true); SELECT pg_backend_pid();")
        key = world.prod.secret("anon")
        assert keep.ask("/rest/v1/notes?select=body", key).status == 200
        held = keep.connection.sock
        world.lab.change("dev", log_level="error")
        checked = converge_checked(world.lab.project, world.machine)
        assert checked.units_changed() == {"supabase-dev.service", "supabase-dev-rest.service"}
        assert session.ask("SELECT pg_backend_pid();") == pid
        session.send("COMMIT;")
        assert {"body": "open"} in keep.ask("/rest/v1/notes?select=body", key).body
        assert keep.connection.sock is held
    assert world.foreign_backend == backend
    print(f"log_level of one instance: {checked.seconds:.1f} s")


def test_subdomain_restarts_that_instance_only(world: World, shop: Session) -> None:
    world.lab.change("dev", subdomain="elsewhere")
    checked = converge_checked(world.lab.project, world.machine)
    # the REST API tells its address in its description, so it is not the gateway alone
    assert checked.units_changed() == {"supabase-dev.service", "supabase-dev-rest.service"}


def test_a_third_instance_leaves_the_others(world: World, shop: Session) -> None:
    backend = world.foreign_backend
    world.lab.project.data["instances"]["stage"] = {}
    world.lab.project.write()
    checked = converge_checked(world.lab.project, world.machine, prompted=True)
    changed = checked.units_changed()
    assert changed
    assert all("supabase-stage" in unit for unit in changed)
    assert all(kind.startswith("stage: ") or kind == "host: rebuild the system" or ".nix" in kind for kind in checked.kinds)
    for seen in (checked.before.roles, checked.before.databases):
        after = checked.after.roles if seen is checked.before.roles else checked.after.databases
        assert {name: after.digests[name] for name in seen.digests} == seen.digests
    assert world.foreign_backend == backend
    print(f"one more instance: {checked.seconds:.1f} s")


def test_switched_off_and_on_again_an_instance_has_its_rows(world: World, shop: Session) -> None:
    backend = world.foreign_backend
    slots, secrets = look(world.lab.project, world.machine).slots, world.lab.project.files()
    world.lab.change("dev", enable=False)
    checked = converge_checked(world.lab.project, world.machine)
    assert {kind for kind in checked.kinds if kind.startswith("dev: ")} == {
        "dev: update file instances/dev.json",
        *(f"dev: stop supabase-dev{unit}" for unit in (".service", "-rest.service", "-net.service", "-8000.socket")),
    }
    assert checked.after.slots == slots
    assert {p: c for p, c in world.lab.project.files().items() if "secrets/" in p} == {
        p: c for p, c in secrets.items() if "secrets/" in p
    }
    assert world.dev.psql("SELECT body FROM notes ORDER BY id LIMIT 1;").stdout == "dev shared\n"
    world.lab.change("dev", enable=True)
    converge_checked(world.lab.project, world.machine)
    with world.dev.forward() as port, client(port) as ask:
        assert ask.ask("/rest/v1/notes?select=body", world.dev.secret("anon")).body == [{"body": "dev shared"}]
    assert world.foreign_backend == backend


def test_a_database_is_entered_only_when_it_was_written_to(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was seen is kept by a run, used by a dry one, and worth nothing once somebody has written."""

    def entered() -> str:
        """How often anybody has: the health of a run without changes asks no database."""
        asked = "SELECT sum(sessions) FROM pg_stat_database WHERE datname LIKE 'supabase_%'"
        return world.machine.run(f'runuser -u postgres -- psql -tAc "{asked}"').stdout

    project = world.lab.project

    def kept() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in project.directory.parent.glob("cache/supabase-nixos/*")}

    end = time.monotonic() + 60
    while True:  # 15 s after the last request to a database, and after autovacuum
        before = entered()
        assert project.converge().unchanged
        if entered() == before:
            break
        assert time.monotonic() < end
    assert project.dry().unchanged
    assert entered() == before

    # A targeted run keeps what is known of the others.
    monkeypatch.setenv("XDG_CACHE_HOME", str(project.directory.parent / "cache"))
    (host,) = project.hosts
    known = memory.recall(project.directory, host)
    assert known.keys() >= {"supabase_dev", "supabase_prod"}
    world.machine.run("runuser -u postgres -- psql -qc 'CREATE SCHEMA passing' -c 'DROP SCHEMA passing' supabase_prod")
    assert project.converge("--data", "instance=prod").unchanged
    now = memory.recall(project.directory, host)
    assert now != known, "prod was entered"
    assert now["supabase_dev"] == known["supabase_dev"]

    before_dry = kept()
    world.machine.run("runuser -u postgres -- psql -qc 'REVOKE USAGE ON SCHEMA public FROM anon' supabase_prod")
    drift = "prod: update schemas of database supabase_prod (GRANT USAGE ON SCHEMA public TO anon)"
    assert project.dry().changes == [drift]
    assert kept() == before_dry != {}, "a dry run writes nothing"
    assert converge_checked(project, world.machine).real.changes == [drift]


def test_capacity_restarts_postgresql_as_announced(world: World) -> None:
    world.lab.project.data["capacity"] = 12
    world.lab.project.write()
    checked = converge_checked(world.lab.project, world.machine)
    assert "host: restart postgresql.service" in checked.kinds
    limit = world.machine.run("runuser -u postgres -- psql -tAc 'SHOW max_connections'").stdout.strip()
    assert limit == str(45 * 12 + 20)
    assert world.lab.serves() == dict.fromkeys(world.lab.project.data["instances"], "200")


@pytest.mark.parametrize("way", ["reboot", "power_cut"])
def test_comes_back_serving(world: World, way: str) -> None:
    system = world.machine.run("readlink -f /run/current-system").stdout
    start = time.monotonic()
    getattr(world.machine, way)()
    assert world.lab.serves(within=30) == dict.fromkeys(world.lab.project.data["instances"], "200")
    print(f"{way}: serving again after {time.monotonic() - start:.1f} s")
    assert world.machine.run("readlink -f /run/current-system").stdout == system
    with world.prod.forward() as port, client(port) as ask:
        assert {"body": "open"} in ask.ask("/rest/v1/notes?select=body", world.prod.secret("anon")).body
    assert world.lab.project.converge().unchanged
