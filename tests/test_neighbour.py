"""While one instance serves, another one is created, changed, switched off and removed: no request fails, no connection drops.

`prod` is asked over HTTP by a process of the host without a pause, and its owner, its authenticator and realtime's bridge hold
connections to the database. Both instances have every service (complete.py says what is stood in for).
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from desired.numbers import public_port
from tests.api import Api, Session
from tests.complete import complete
from tests.host import Machine
from tests.lab import TREE, Lab
from tests.project import ROOT

RATE = 80
TABLE = """
CREATE TABLE public.notes (body text);
CREATE FUNCTION public.slow() RETURNS int LANGUAGE sql AS 'SELECT 1 FROM pg_sleep(0.05)';
GRANT ALL ON public.notes TO service_role;
NOTIFY pgrst, 'reload schema';
"""
#: What an administrator does by hand to an instance that is switched off; `just supabase-delete` will be the project's way.
REMOVE = f"""
rm {TREE}/instances/dev.json {TREE}/secrets/supabase-dev-*.age
nixos-rebuild switch > /dev/null 2>&1
rm -r /var/lib/supabase/dev
runuser -u postgres -- psql -Xqv ON_ERROR_STOP=1 -c 'DROP DATABASE supabase_dev' \\
    -c 'DROP OWNED BY supabase_dev_realtime' -c 'DROP ROLE supabase_dev, supabase_dev_auth,
    supabase_dev_authenticator, supabase_dev_realtime, supabase_dev_storage'
"""


@pytest.fixture
def lab(machine: Machine, tmp_path: Path) -> Lab:
    """`prod` alone, serving, and a foreign application."""
    lab = complete(machine, tmp_path)
    lab.project.data["instances"] = {"prod": {"profile": "full", "subdomain": "supabase"}}
    lab.project.write()
    run = lab.project.converge()
    assert run.status == 0, run.output
    Api(lab.project, machine, "prod").psql(TABLE)
    return lab


def _steps(lab: Lab) -> Iterator[tuple[str, Callable[[], Any]]]:
    """What happens to dev, each by an ordinary run but the removal."""
    instances = lab.project.data["instances"]

    def wanted(**values: Any) -> None:
        instances["dev"] = {**instances.get("dev", {}), **values}
        lab.project.write()
        _converge(lab)

    yield "created", lambda: wanted(profile="full")
    yield "log_level", lambda: wanted(log_level="debug")
    yield "subdomain", lambda: wanted(subdomain="elsewhere")
    yield "services off", lambda: wanted(services={"studio": False, "realtime": False, "storage": False})
    yield "services on", lambda: wanted(services={})
    yield "switched off", lambda: wanted(enable=False)
    yield "removed", lambda: _remove(lab)


def _converge(lab: Lab) -> None:
    run = lab.project.converge()
    assert run.status == 0, run.output
    assert {change.split(":")[0] for change in run.changes} <= {"dev", "host"}, run.changes


def _remove(lab: Lab) -> None:
    lab.machine.run(REMOVE, timeout=120)
    del lab.project.data["instances"]["dev"]
    lab.project.write()
    for path in (lab.project.directory / "secrets").glob("supabase-dev-*"):
        path.unlink()
    _converge(lab)


def _processes(machine: Machine) -> dict[str, str]:
    """Each unit of prod, PostgreSQL and the shop, to which start of which process it is."""
    units = "$(systemctl list-units --plain --no-legend 'supabase-prod*' | cut -d' ' -f1)"
    shown = machine.run(
        f"for u in postgresql.service shop-session.service {units}"
        "; do echo $u $(systemctl show -P ActiveState -P InvocationID -P MainPID -P NRestarts $u); done"
    ).stdout
    return dict(line.split(" ", 1) for line in shown.splitlines())


@contextmanager
def _load(lab: Lab) -> Iterator[dict[str, Any]]:
    """tests/load.py on the host while the block runs; then its report."""
    port = public_port(json.loads(lab.project.files()["slots.json"])[lab.machine.ip]["prod"])
    command = ["ip", "netns", "exec", f"sth-{lab.machine.name}", sys.executable, "-m", "tests.load", str(port), str(RATE)]
    report: dict[str, Any] = {}
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        process.stdin.write(Api(lab.project, lab.machine, "prod").secret("service") + "\n")
        process.stdin.flush()
        try:
            yield report
        finally:
            output, _ = process.communicate()
        report.update(json.loads(output))


@contextmanager
def _session(machine: Machine, command: str) -> Iterator[Session]:
    """An open psql of another login."""
    ssh = [*machine.connection.command(), f"{command} psql -X -q -t -A -w -f -"]
    with subprocess.Popen(ssh, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Session(process)
        if process.stdin:
            process.stdin.close()


def test_a_neighbour_comes_changes_and_goes(lab: Lab) -> None:
    machine, prod = lab.machine, Api(lab.project, lab.machine, "prod")
    machine.run("systemd-run -q --unit=shop-session -p User=shop psql -Xqd shop -c 'SELECT pg_sleep(9999)'")
    times: dict[str, float] = {}
    bridge = "ip netns exec supabase-prod setpriv --reuid=supabase-prod-realtime --regid=supabase-prod-realtime --clear-groups"
    with ExitStack() as stack:
        sessions = {
            "owner": stack.enter_context(prod.session()),
            "authenticator": stack.enter_context(
                _session(
                    machine, "runuser -u supabase-prod-rest -- env PGUSER=supabase_prod_authenticator PGDATABASE=supabase_prod"
                )
            ),
            "realtime over its bridge": stack.enter_context(
                _session(machine, f"{bridge} env PGHOST=127.0.0.1 PGUSER=supabase_prod_realtime PGDATABASE=supabase_prod")
            ),
        }
        asked = "BEGIN; CREATE TEMP TABLE kept (n int); INSERT INTO kept VALUES (1); SELECT pg_backend_pid();"
        pids = {name: session.ask(asked) for name, session in sessions.items()}
        assert all(pids.values())
        before = _processes(machine)
        report = stack.enter_context(_load(lab))
        for name, step in _steps(lab):
            start = time.monotonic()
            step()
            times[name] = time.monotonic() - start
        after = _processes(machine)
        kept = {name: session.ask("SELECT pg_backend_pid() FROM kept;") for name, session in sessions.items()}
        for session in sessions.values():
            session.send("COMMIT;")
    failed, rate = sum(report["wrong"].values()), report["good"] / report["seconds"]
    print(
        f"\n{report['good']} requests in {report['seconds']:.0f} s ({rate:.0f}/s), {failed} failed, "
        f"{report['opened']} connections, slowest {report['slowest']:.0f} ms; {len(kept)} database connections, "
        f"{len([name for name in kept if kept[name] != pids[name]])} dropped; {len(before)} units, "
        f"{len([name for name in before if before[name] != after.get(name)])} restarted"
    )
    print(", ".join(f"{name} {seconds:.1f} s" for name, seconds in times.items()))
    assert report["wrong"] == {}
    assert rate >= 50
    assert kept == pids
    assert after == before
    assert len(before) > 10
    left = machine.run(
        "systemctl list-units --all --plain --no-legend 'supabase-dev*'; getent passwd | grep supabase-dev", check=False
    )
    assert left.stdout == ""
