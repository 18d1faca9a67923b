"""Another version of storage: dumped before, migrated, written down; and when it fails, the older one stays off until a person
decides. On a real machine with a real PostgreSQL; podman and storage are stand-ins."""

import json
import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from desired.cluster_diff import difference
from desired.errors import HostStop
from desired.record import Record
from desired.upgrades import Upgrade, upgrades
from facts.script import script_text
from tests import podman
from tests.clusters import Case
from tests.host import Machine
from tests.lab import Lab, bare
from tests.pg import MAJORS, server
from tests.project import ROOT, Run
from workstation.templates import images

FIRST = images()["storage"].version
DUMPS = "/var/lib/supabase/dumps/prod"
#: In time: with the health's patience, and the return.
WAY_BACK_SECONDS = 30


def test_upgrades() -> None:
    def found(wanted: Record, known: Record) -> list[str]:
        return [str(item.change) for item in upgrades("prod", "supabase_prod", wanted, known)]

    old = Record("v1", "uploads", "v1.9.0")
    assert found(old, old) == found(Record(), old) == found(old, Record()) == []
    assert found(Record("v2", "uploads", "v1.10.0"), old) == [
        "update service realtime of database supabase_prod (v1 -> v2, dump first)",
        "update service storage of database supabase_prod (v1.9.0 -> v1.10.0, dump first)",
    ]
    assert [Upgrade("a", "b", "c", *pair).back for pair in (("v1.9.0", "v1.10.0"), ("v1.10.0", "v1.9.0"))] == [False, True]


def test_an_older_version_stops_the_run() -> None:
    """What has answered is in the database's comment."""
    with server(max(MAJORS)) as pg:
        now = Case({"prod": {"profile": "app"}}, realtime="v1", storage="v1.10.0")
        pg.guarded(now.sql(now.plan(pg)))
        pg.query("COMMENT ON DATABASE supabase_prod IS 'supabase: instance prod bucket supabase-storage storage v1.10.0'")
        assert now.plan(pg) == ()
        older = Case(now.instances, realtime="v1", storage="v1.9.0")
        with pytest.raises(HostStop, match=r"storage v1\.10\.0 has migrated supabase_prod, and v1\.9\.0 of images\.json"):
            difference(older.wanted, older.look(pg))
        newer = Case(now.instances, realtime="v1", storage="v1.11.0")
        assert [str(item.change) for item in newer.plan(pg)] == [
            "update service storage of database supabase_prod (v1.10.0 -> v1.11.0, dump first)"
        ]


@pytest.fixture(scope="module")
def lab(shared_machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Prod with auth's tables, storage and a table of its own; dev with the REST API alone."""
    podman.stand_in(shared_machine)
    made = bare(shared_machine, tmp_path_factory.mktemp("lab"))
    templates = made.project.directory / "templates"
    templates.unlink()
    shutil.copytree(ROOT / "templates", templates)
    made.wait_at_most(WAY_BACK_SECONDS)
    made.change("prod", services={"storage": True, "imgproxy": False})
    run = made.project.converge()
    assert run.status == 0, run.output
    sql(made, "CREATE TABLE auth.users (id int PRIMARY KEY); INSERT INTO auth.users VALUES (1)", "supabase_prod_auth")
    sql(
        made,
        "CREATE TABLE public.notes (id int REFERENCES auth.users, text text); INSERT INTO public.notes VALUES (1, 'of before');"
        "CREATE VIEW public.files AS SELECT version FROM storage.migrations; ALTER PUBLICATION supabase_realtime ADD TABLE notes",
    )
    assert versions(made) == [FIRST]
    return made


@pytest.fixture
def good(lab: Lab) -> Iterator[Lab]:
    """After the test, what was broken is not."""
    yield lab
    lab.machine.run(f"rm -f {podman.STATE}/broken-*")


def storage(lab: Lab, version: str) -> None:
    """Another version in images.json; its digest is none."""
    path = lab.project.directory / "templates/modules/supabase/images.json"
    found = json.loads(path.read_text())
    image = f"ghcr.io/supabase/cli/storage:{version}-r0@sha256:{version.encode().hex():0>64}"
    found["storage"] = {"image": images()["storage"].image if version == FIRST else image, "version": version}
    path.write_text(json.dumps(found, indent=2) + "\n")


def sql(lab: Lab, text: str, role: str = "supabase_prod") -> str:
    """In prod's database, by the superuser who has become `role`."""
    command = "runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -d supabase_prod -f -"
    return lab.machine.run(command, stdin=f"SET SESSION AUTHORIZATION {role}; {text};").stdout.strip()


def versions(lab: Lab) -> list[str]:
    """Those of storage that have migrated prod's database, each once."""
    return sorted(set(sql(lab, "SELECT version FROM storage.migrations", "supabase_prod_storage").split()))


def answered(lab: Lab) -> str:
    """The record, in the database's comment."""
    return sql(lab, "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'supabase_prod'")


def dumps(lab: Lab) -> list[str]:
    return sorted(lab.machine.run(f"ls {DUMPS} 2>/dev/null", check=False).stdout.split())


def active(lab: Lab, unit: str) -> str:
    return lab.machine.run(f"systemctl is-active {unit}", check=False).stdout.strip()


def announced(lab: Lab, have: str, want: str) -> Run:
    """The run, which announced what a dry run before it did, the update with it."""
    dry, run = lab.project.dry(), lab.project.converge()
    assert set(dry.changes) == set(run.changes)
    assert f"prod: update service storage of database supabase_prod ({have} -> {want}, dump first)" in run.changes
    return run


class TestUpgrade:
    """One version after the other, in this order."""

    def test_no_room(self, good: Lab) -> None:
        """Nothing is armed, the module tree is as it was."""
        before = good.standing()
        good.machine.run(f"mkdir -p {DUMPS} && mount -t tmpfs -o size=1m tmpfs {DUMPS}")
        storage(good, "v1.91.0")
        run = good.project.converge()
        good.machine.run(f"umount {DUMPS}")
        assert run.status != 0
        assert re.search(r"prod: no room for a dump of supabase_prod: it has \d+ MiB, .* make room and run again", run.output)
        assert "armed" not in run.output
        assert good.standing() == before
        assert (dumps(good), versions(good)) == ([], [FIRST])

    def test_dumped_then_migrated_then_written_down(self, good: Lab) -> None:
        storage(good, "v1.91.0")
        run = announced(good, FIRST, "v1.91.0")
        assert run.status == 0, run.output
        (dump,) = dumps(good)
        assert re.fullmatch(rf"\d{{8}}T\d{{6}}Z-storage-{re.escape(FIRST)}\.dump", dump)
        assert f"dumped supabase_prod before its services change: {DUMPS}/{dump}" in run.output
        assert good.machine.run(f"stat -c '%a %U' {DUMPS} {DUMPS}/{dump}").stdout.split("\n")[:2] == ["700 root", "600 root"]
        assert versions(good) == sorted([FIRST, "v1.91.0"])
        rows = good.machine.run(f"pg_restore -a -n storage -t migrations -f - {DUMPS}/{dump}").stdout
        assert FIRST in rows
        assert "v1.91.0" not in rows, "the dump is of before"
        assert answered(good) == "supabase: instance prod bucket supabase-storage storage v1.91.0"
        assert good.machine.run("cat /var/lib/supabase/prod/migrated/storage").stdout == "v1.91.0\n"
        again = good.project.converge()
        assert again.unchanged, again.output

    def test_one_that_fails(self, good: Lab) -> None:
        """The system returns and serves, but the older storage is not started: the run, the unit and the log say why."""
        before = good.standing()
        storage(good, "v1.92.0")
        good.machine.run(f"touch {podman.STATE}/broken-v1.92.0")
        with good.traffic("dev") as dev:
            run = announced(good, "v1.91.0", "v1.92.0")
        assert run.status != 0
        assert "the host has returned to" in run.output
        assert "prod: storage v1.92.0 may have migrated supabase_prod, so v1.91.0 does not start on it any more" in run.output
        assert f"restore the newest dump in {DUMPS}/ as docs/upgrades.md says" in run.output
        assert set(dev) == {"200"}
        assert good.standing() == before
        assert good.serves() == {"prod": "200", "dev": "200"}
        assert active(good, "supabase-prod-storage") == "inactive"
        log = good.machine.run("journalctl -q -o cat -u supabase-prod-storage").stdout
        assert "storage v1.91.0 is not started: v1.92.0 may have migrated supabase_prod" in log
        assert versions(good) == sorted([FIRST, "v1.91.0", "v1.92.0"])
        assert answered(good).endswith("storage v1.91.0")
        assert len(dumps(good)) == 2
        refused = log.count("is not started")
        good.machine.run("sleep 5")
        assert good.machine.run("journalctl -q -o cat -u supabase-prod-storage").stdout.count("is not started") == refused

    def test_a_restart_does_not_start_it_either(self, good: Lab) -> None:
        good.machine.reboot()
        assert good.serves() == {"prod": "200", "dev": "200"}
        assert active(good, "supabase-prod-storage") == "inactive"

    def test_still_broken(self, good: Lab) -> None:
        """A second try must not pass because storage was not healthy before it, and keeps the dump of before."""
        kept = dumps(good)
        good.machine.run(f"touch {podman.STATE}/broken-v1.92.0")
        run = announced(good, "v1.91.0", "v1.92.0")
        assert run.status != 0
        assert "may have migrated" in run.output
        assert dumps(good) == kept

    def test_back_to_the_older_file_alone(self, good: Lab) -> None:
        """Nothing is to be built, but the run does not call it live."""
        storage(good, "v1.91.0")
        run = good.project.converge()
        assert run.status != 0
        assert "storage answers HTTP" in run.output

    @pytest.mark.parametrize("dump", ["/var/lib/supabase/dumps/prod/not-there.dump", "/root/broken.dump"])
    def test_going_back_to_what_is_no_dump_touches_nothing(self, good: Lab, dump: str) -> None:
        """The broken one is the first half of one."""
        newest = "newest=$(ls /var/lib/supabase/dumps/prod/*.dump | tail -n 1)"
        good.machine.run(f"{newest}; head -c $(($(stat -c %s $newest) / 2)) $newest > /root/broken.dump")
        before = sql(good, "SELECT count(*) FROM pg_class")
        script = (ROOT / "templates/host/go_back.sh").read_text()
        done = good.machine.run(f"sh -s prod supabase_prod {dump}", stdin=script, check=False)
        assert done.returncode != 0, done.stdout
        assert sql(good, "SELECT count(*) FROM pg_class") == before
        assert sql(good, "SELECT text FROM notes") == "of before"
        assert good.machine.run("ls -d /run/supabase-go-back.*", check=False).stdout == ""

    def test_going_back_by_hand(self, good: Lab) -> None:
        """As docs/upgrades.md says: the database is what it was, and the older version serves."""
        sql(good, "INSERT INTO public.notes VALUES (1, 'written since')")
        page = (ROOT / "docs/upgrades.md").read_text()
        command = re.search(r"^    ssh root@HOST (.*) < templates/host/go_back.sh$", page, re.MULTILINE)
        assert command
        script = (ROOT / "templates/host/go_back.sh").read_text()
        done = good.machine.run(command[1], stdin=script)
        assert "supabase_prod is as" in done.stdout
        assert versions(good) == sorted([FIRST, "v1.91.0"])
        assert sql(good, "SELECT text FROM notes") == "of before"
        run = good.project.converge()
        assert run.status == 0, run.output
        assert good.project.converge().unchanged
        assert active(good, "supabase-prod-storage") == "active"
        assert answered(good) == "supabase: instance prod bucket supabase-storage storage v1.91.0"
        members = (
            "SELECT count(*) FROM pg_auth_members WHERE member = 'supabase_prod'::regrole AND roleid::regrole::text ~ '_auth'"
        )
        assert sql(good, members) == "0"
        tables = "SELECT concat(tableowner, ' ', schemaname, '.', tablename) FROM pg_tables WHERE tableowner ~ '^supabase_prod'"
        assert sql(good, f"{tables} ORDER BY 1").split("\n") == [
            "supabase_prod public.notes",
            "supabase_prod_auth auth.users",
            "supabase_prod_storage storage.migrations",
        ]
        assert sql(good, "SELECT count(*) FROM pg_publication_tables WHERE tablename = 'notes'") == "1"

    def test_forward(self, good: Lab) -> None:
        """Repaired, the newer version goes through; of the dumps the last three stay."""
        for version in ("v1.92.0", "v1.93.0"):
            storage(good, version)
            run = good.project.converge()
            assert run.status == 0, run.output
        assert len(dumps(good)) == 3
        assert "-storage-v1.92.0" in dumps(good)[-1]

    def test_an_older_one_is_refused_before_anything_is_sent(self, good: Lab) -> None:
        before = good.standing()
        storage(good, FIRST)
        run = good.project.converge()
        assert run.status != 0
        assert f"storage v1.93.0 has migrated supabase_prod, and {FIRST} of images.json does not run on it" in run.output
        assert good.standing() == before
        storage(good, "v1.93.0")

    def test_another_auth_in_the_built_system(self, good: Lab) -> None:
        """Its version shows there only. `migrated/auth` says that auth has started here before."""

        def dumped(started: str | None) -> list[str]:
            built = "/var/lib/supabase/build/result"
            made = f"mkdir -p {built}/etc/supabase && printf 'auth 2.190.0\\nstorage v1.93.0\\n' > {built}/etc/supabase/versions"
            mark = "/var/lib/supabase/prod/migrated/auth"
            good.machine.run(f"{made}; rm -f {mark}; {f'echo {started} > {mark}' if started else ':'}")
            epoch = good.machine.run("cat /var/lib/supabase/epoch").stdout.strip()
            args: Any = ("/etc/nixos/supabase", epoch, "5432", "prod", "supabase_prod", "auth")
            said = good.machine.run(script_text("restore", "dump", args=args)).stdout
            good.machine.run(f"rm -r {built} {mark}", check=False)
            return re.findall(r"dumped supabase_prod .*Z(\S*)\.dump", said)

        assert dumped(None) == []
        assert dumped("2.190.0") == []
        assert dumped("2.187.0") == ["-auth-2.187.0"]

    def test_killed_on_the_way(self, good: Lab) -> None:
        """The next run goes on: with a dump while nothing has started, without one when it may have."""
        have = answered(good).split()[-1]
        storage(good, "v1.95.0")
        for when, step in (("after", "dump"), ("after", "activate")):
            assert good.interrupted(when, step).status == -9
        last = dumps(good)[-1]
        assert last.endswith(f"-storage-{have}.dump")
        assert answered(good).endswith(have)
        run = announced(good, have, "v1.95.0")
        assert run.status == 0, run.output
        assert "v1.95.0" in versions(good)
        assert answered(good).endswith("storage v1.95.0")
        assert dumps(good)[-1] == last
        assert good.project.converge().unchanged
