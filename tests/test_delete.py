"""An instance goes: what is announced is taken away, nothing else, its neighbours serve on, and a killed run goes on."""

import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from supabase import PostgrestAPIError, create_client

from tests.api import Api
from tests.converge import Checked, converge_checked, differences
from tests.host import Machine
from tests.lab import Lab, bare
from tests.project import ROOT, Run
from tests.seen import Seen, look
from tests.test_create import CREATE, asked
from tests.test_sandbox import Clone

DELETE = "tasks/delete.py"


def words(name: str, **values: str) -> tuple[str, ...]:
    return asked(name, **{"confirm": name, **values})


def delete(lab: Lab, name: str, **values: str) -> Checked:
    checked = converge_checked(lab.project, lab.machine, *words(name, **values), script=DELETE)
    lab.project.reread()
    return checked


def create(lab: Lab, name: str) -> None:
    done = lab.project.converge(*asked(name), script=CREATE)
    assert done.status == 0, done.output
    lab.project.reread()


def sql(lab: Lab, text: str, database: str = "postgres") -> str:
    return lab.machine.run(f"runuser -u postgres -- psql -X -qtA -v ON_ERROR_STOP=1 -d {database}", stdin=text).stdout.strip()


def rest(seen: Seen, name: str) -> list[str]:
    """Whatever still carries its name, unless it is somebody else's."""
    places = [
        *seen.entries_of(name),
        *(path for path in seen.project if f"-{name}-" in path),
        *(path for path in seen.files if re.search(rf"/{name}(/|$|\.json)|-{name}-", path)),
        *(unit for unit in seen.units if f"supabase-{name}." in unit or f"supabase-{name}-" in unit),
        *(role for role, comment in seen.roles.comments.items() if f"instance {name} " in f"{comment} "),
        *(role for role in seen.roles.digests if f"supabase_{name}_" in role),
        *(database for database, comment in seen.databases.comments.items() if f"instance {name} " in f"{comment} "),
    ]
    return [*places, *(["slot"] if name in seen.slots else [])]


@pytest.fixture(scope="module")
def lab(shared_machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Prod and dev deployed; dev has a login besides its owner."""
    made = bare(shared_machine, tmp_path_factory.mktemp("delete"))
    made.project.data["instances"]["dev"]["database"] = {"user": "developer"}
    made.project.write()
    done = made.project.converge()
    assert done.status == 0, done.output
    return made


def refused(lab: Lab, arguments: tuple[str, ...], *says: str) -> Run:
    before = look(lab.project, lab.machine)
    run = lab.project.converge(*arguments, script=DELETE)
    assert run.status != 0
    assert all(said in run.output for said in says), run.output
    assert run.changes == []
    assert differences(before, look(lab.project, lab.machine)) == {}
    return run


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (asked("dev"), "say its name again: --data confirm=dev"),
        (asked("dev", confirm="prod"), "say its name again: --data confirm=dev"),
        (asked("dev", confrm="dev"), "confrm: unknown key; did you mean confirm?"),
        (asked("dev", confirm="dev", keep_database="maybe"), "keep_database = 'maybe': must be true or false"),
        (asked("Dev", confirm="Dev"), "instance = 'Dev': name the instance to delete"),
        (asked("removed", confirm="removed"), "instance = 'removed': name the instance to delete"),
        (("--data", "confirm=dev"), "instance: name the instance to delete"),
        (words("dev", host="nowhere"), "host = 'nowhere': not in the inventory"),
    ],
)
def test_nothing_goes_that_was_not_asked_for_twice(lab: Lab, arguments: tuple[str, ...], says: str) -> None:
    refused(lab, arguments, says)


def test_a_dry_run_needs_no_confirmation(lab: Lab) -> None:
    before = look(lab.project, lab.machine)
    dry = lab.project.dry(*asked("dev"), script=DELETE)
    assert dry.status == 0
    assert set(dry.changes) == set(lab.project.dry(*words("dev"), script=DELETE).changes) != set()
    assert differences(before, look(lab.project, lab.machine)) == {}


def test_an_unknown_name_has_nothing_left(lab: Lab) -> None:
    run = lab.project.converge(*words("prd"), script=DELETE)
    assert run.unchanged, run.output
    assert "nothing is left of prd; did you mean prod?" in run.output


def test_where_the_file_is_code_a_person_takes_the_entry_out(lab: Lab) -> None:
    file = lab.project.directory / "group_data/lab.py"
    text = file.read_text()
    file.write_text(text.replace("instances =", "_all =") + "instances = {name: value for name, value in _all.items()}\n")
    refused(lab, words("dev"), "remove the entry of dev there yourself")
    file.write_text(text)


def test_rights_elsewhere_stop_it_before_anything_is_dropped(lab: Lab) -> None:
    sql(lab, "CREATE DATABASE shop;")
    sql(lab, "CREATE TABLE public.ledger (n int); GRANT SELECT ON public.ledger TO supabase_dev;", "shop")
    create(lab, "dev2")
    run = lab.project.converge(*words("dev"), script=DELETE)
    assert run.status != 0
    assert "role supabase_dev has rights in database shop" in run.output
    assert sql(lab, "SELECT count(*) FROM pg_database WHERE datname = 'supabase_dev'") == "1"
    assert "dev" in look(lab.project, lab.machine).slots
    lab.project.reread()
    sql(lab, "DROP OWNED BY supabase_dev", "shop")
    again = delete(lab, "dev")
    assert "dev: remove database supabase_dev" in again.kinds
    assert rest(again.after, "dev") == []
    assert sql(lab, "SELECT count(*) FROM pg_roles WHERE rolname IN ('developer', 'supabase_dev')") == "0"
    assert set(lab.serves().values()) == {"200"}


def test_beside_traffic_strangers_and_open_connections(lab: Lab) -> None:
    create(lab, "dev")
    dev = Api(lab.project, lab.machine, "dev")
    sql(lab, "CREATE ROLE supabase_dev_backup; CREATE ROLE supabase_devel LOGIN;")
    sql(lab, "CREATE DATABASE supabase_dev_old OWNER supabase_devel;")
    sql(lab, "SELECT pg_create_logical_replication_slot('dev', 'pgoutput');")
    sql(lab, "SELECT pg_create_logical_replication_slot('mine', 'pgoutput');", "supabase_dev")
    shared = sql(lab, "SELECT string_agg(rolname, ' ' ORDER BY rolname) FROM pg_roles WHERE NOT rolcanlogin")
    lab.machine.run("install -D /dev/null /var/lib/supabase/dumps/dev/of-before.dump")
    with dev.session() as session, lab.traffic("prod") as prod:
        assert session.ask("SELECT 1;") == "1"
        checked = delete(lab, "dev")
        session.send("SELECT 1;")
        assert session.process.wait(10) != 0
    assert set(prod) == {"200"}
    assert prod["200"] > 10
    assert all("supabase-dev." in unit or "supabase-dev-" in unit for unit in checked.units_changed())
    assert all(kind.startswith("dev: ") or kind == "host: rebuild the system" or ".nix" in kind for kind in checked.kinds)
    assert rest(checked.after, "dev") == ["supabase_dev_backup"]
    for before, after in ((checked.before.roles, checked.after.roles), (checked.before.databases, checked.after.databases)):
        gone = {name for name in before.digests if name not in after.digests}
        assert gone == {name for name, comment in before.comments.items() if "instance dev " in f"{comment} "}
        assert {name: after.digests[name] for name in before.digests if name not in {*gone, "shop"}} == {
            name: digest for name, digest in before.digests.items() if name not in {*gone, "shop"}
        }
    assert sql(lab, "SELECT string_agg(rolname, ' ' ORDER BY rolname) FROM pg_roles WHERE NOT rolcanlogin") == shared
    assert sql(lab, "SELECT slot_name FROM pg_replication_slots") == "dev"
    sql(lab, "SELECT pg_drop_replication_slot('dev')")
    print(f"deleted beside {prod.total()} requests of the neighbour in {checked.seconds:.1f} s")


def notes(dev: Api, key: str) -> list[dict[str, str]] | str:
    """What Supabase's own client reads with this key: the rows, or the gateway's word."""
    with dev.forward() as port:
        try:
            read = create_client(f"http://127.0.0.1:{port}", key).table("notes").select("body").execute()
        except PostgrestAPIError as error:
            return error.message or ""
        return [dict(row) for row in read.data]  # type: ignore[arg-type]


def test_a_whole_life_and_nothing_of_it_in_the_second(lab: Lab) -> None:
    """Created, used, rotated, used, deleted, and created again under the same name."""
    create(lab, "dev")
    dev = Api(lab.project, lab.machine, "dev")
    dev.psql(
        "CREATE TABLE notes (body text); INSERT INTO notes VALUES ('first'); GRANT ALL ON notes TO anon;"
        "NOTIFY pgrst, 'reload schema';"
    )
    old, url = [dev.secret("anon")], dev.secret("db")
    time.sleep(1)
    assert notes(dev, old[0]) == [{"body": "first"}]
    rotated = lab.project.converge("--data", "instance=dev", script="tasks/rotate_secrets.py")
    assert rotated.status == 0, rotated.output
    old.append(dev.secret("anon"))
    assert [notes(dev, key) for key in old] == [[{"body": "first"}]] * 2
    delete(lab, "dev")
    create(lab, "dev")
    said = [notes(dev, key) for key in (*old, dev.secret("anon"))]
    assert all(isinstance(word, str) for word in said), "no row"
    assert ["notes" in word for word in said] == [False, False, True], "old keys are refused, the new one finds no such table"
    assert dev.secret("db") != url
    assert sql(lab, "SELECT count(*) FROM pg_tables WHERE tablename = 'notes'", "supabase_dev") == "0"


@pytest.mark.parametrize("slot_lost", [False, True])
def test_what_is_left_of_an_entry_that_a_person_took_out(lab: Lab, slot_lost: bool) -> None:
    create(lab, "old")
    del lab.project.data["instances"]["old"]
    lab.project.write()
    slots = lab.project.directory / "slots.json"
    if slot_lost:
        held = json.loads(slots.read_text())
        del held[lab.machine.ip]["old"]
        slots.write_text(json.dumps(held, indent=2, sort_keys=True) + "\n")
    checked = delete(lab, "old")
    assert "old: remove database supabase_old" in checked.kinds
    assert rest(checked.after, "old") == []


def test_kept_data_are_there_in_the_next_life(lab: Lab) -> None:
    create(lab, "keeper")
    keeper = Api(lab.project, lab.machine, "keeper")
    keeper.psql("CREATE TABLE notes (body text); INSERT INTO notes VALUES ('kept');")
    lab.machine.run("mkdir -p /var/lib/supabase/keeper/storage; echo 1 > /var/lib/supabase/keeper/storage/file")
    checked = delete(lab, "keeper", keep_database="true")
    assert "kept: the database of keeper" in checked.real.output
    assert checked.after.slots["keeper"] == checked.before.slots["keeper"]
    assert "supabase_keeper" in checked.after.databases.digests
    assert "/var/lib/supabase/keeper/storage/file" in checked.after.files
    assert not any("keeper" in path for path in checked.after.project)
    create(lab, "keeper")
    assert keeper.psql("SELECT body FROM notes;").stdout == "kept\n"
    assert rest(delete(lab, "keeper").after, "keeper") == []


RUNTIME = "".join(f'{key} = "/run/keys/{key}"; ' for key in ("jwtSecret", "anonKey", "serviceKey", "databaseUrl"))


@pytest.mark.parametrize(
    ("name", "body", "says"),
    [
        ("held", f'{{ slot = 9; profile = "api"; {RUNTIME} }}', "configuration still defines {}: remove that there"),
        ("heldoff", "{ slot = 9; enable = false; }", "configuration still defines {}: remove that there"),
        ("heldhalf", '{ subdomain = "half"; }', "if the host's own configuration says anything of {}, remove that first"),
    ],
)
def test_refuses_while_the_host_s_own_configuration_names_it(lab: Lab, name: str, body: str, says: str) -> None:
    create(lab, name)
    prod, standing = look(lab.project, lab.machine).running("supabase-prod"), lab.standing()
    lab.configure(f"constellation.supabase.instances.{name} = {body};")
    run = lab.project.converge(*words(name), script=DELETE)
    lab.configure()
    lab.project.reread()
    assert run.status != 0
    assert says.format(f"constellation.supabase.instances.{name}") in run.output, run.output
    assert lab.standing() == standing
    assert look(lab.project, lab.machine).running("supabase-prod") == prod
    assert sql(lab, f"SELECT count(*) FROM pg_database WHERE datname = 'supabase_{name}'") == "1"
    assert rest(delete(lab, name).after, name) == []


def test_the_last_one(lab: Lab) -> None:
    for name in sorted(lab.project.data["instances"]):
        # A stranger's role of an earlier test has such a name too.
        assert set(rest(delete(lab, name).after, name)) <= {"supabase_dev_backup"}
    assert lab.project.data["instances"] == {}
    assert lab.project.converge().unchanged
    create(lab, "again")
    assert lab.serves() == {"again": "200"}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    clone = Clone(tmp_path_factory.mktemp("delete-sandbox") / "clone")
    assert clone.pyinfra("-y").status == 0
    yield clone
    clone.pyinfra("-y", script="tasks/sandbox_reset.py")


def test_in_the_sandbox(clone: Clone) -> None:
    before = clone.files()
    dry = clone.pyinfra("--dry", *asked("dev"), script=DELETE)
    assert dry.status == 0, dry.output
    assert clone.pyinfra("-y", *asked("dev"), script=DELETE).status != 0
    assert clone.files() == before
    real = clone.pyinfra("-y", *words("dev"), script=DELETE)
    assert real.status == 0, real.output
    assert set(real.changes) == set(dry.changes)
    assert {"dev: remove database supabase_dev", "dev: remove slot 0"} <= set(real.changes)
    left = clone.files()
    assert not [path for path in left if "-dev-" in path or path.endswith("dev.json")]
    assert {path for path in before if "-prod-" in path} <= left.keys()
    assert clone.pyinfra("-y", *words("dev"), script=DELETE).unchanged
    assert clone.pyinfra("-y").unchanged


@pytest.mark.parametrize(
    ("arguments", "typed", "gone"),
    [((), "dev\n", False), ((), "", False), (("--all",), "prod\n", False), (("--keep-database",), "prod\n", True)],
)
def test_the_recipe_asks_for_the_name(clone: Clone, arguments: tuple[str, ...], typed: str, gone: bool) -> None:
    shutil.copy(ROOT / "justfile", clone.directory)
    programs = Path(sys.executable).parent
    before = clone.files()
    done = clone.run(
        "env", f"PATH={programs}:{os.environ['PATH']}", str(programs / "just"), "supabase-delete", "prod", *arguments, stdin=typed
    )
    assert (done.returncode == 0) is gone, done.stdout
    assert (clone.files() == before) is not gone
    if gone:
        assert "kept: the database of prod" in done.stdout
