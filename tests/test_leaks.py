"""No secret in the clear anywhere but where it must be.

Every place is searched for every generated value, as it is and in hex and base64, and for a planted one: a place where
the planted value is not found has not been searched.
"""

import base64
import secrets
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.api import Api
from tests.host import Machine
from tests.keys import keypair
from tests.lab import Lab, bare
from tests.leaks import Needles, Sampler, sampled

KINDS = ("jwt", "anon", "service", "db", "dbverifier")
LOG_ALL = 'services.postgresql.settings = { log_statement = "all"; log_min_duration_statement = 0; log_connections = true; };'
# what holds secrets by design: decrypted by agenix, composed for a service
BY_DESIGN = "--exclude-dir=agenix.d --exclude-dir=agenix --exclude=jwks.json --exclude=keys.conf"

#: Shell text that searches a place on the host. Standard input is the patterns' and cannot be used.
PLACES = {
    "the Nix store": "grep $SEARCH /nix/store",
    "the journal, PostgreSQL's log in it": "journalctl -q --no-pager -a -o cat | grep $SEARCH -",
    "the journal's fields": "journalctl -q --no-pager -a -o export | grep $SEARCH -",
    "/tmp and /var/tmp": "grep $SEARCH /tmp /var/tmp",
    "/run": f"grep $SEARCH {BY_DESIGN} /run --exclude-dir=systemd/journal --exclude-dir=log",
    "/var/lib/supabase": "grep $SEARCH /var/lib/supabase",
    "/etc/nixos": "grep $SEARCH /etc/nixos",
    "/etc": "grep $SEARCH /etc --exclude-dir=nixos",
    "/root and /var/log": "grep $SEARCH /root /var/log",
}


@dataclass
class Watched:
    """What was seen of a few runs, and what must not be in it."""

    lab: Lab
    planted: str
    outputs: dict[str, str] = field(default_factory=dict)
    processes: Sampler = field(default_factory=Sampler)
    values: dict[str, str] = field(default_factory=dict)

    @property
    def needles(self) -> Needles:
        return Needles({**self.values, "planted": self.planted})

    def run(self, name: str, *arguments: str, stdin: str | None = None) -> None:
        done = self.lab.project.pyinfra(*arguments, stdin=stdin)
        self.outputs[name] = done.output
        assert done.status == 0 or stdin == "", done.output[-2000:]

    def learn(self) -> None:
        """Take every value from the project's .age files; those that a run has replaced stay known."""
        for instance in self.lab.project.data["instances"]:
            api = Api(self.lab.project, self.lab.machine, instance)
            for kind in KINDS:
                self._know(f"{instance}'s {kind}", api.secret(kind))
            self._know(f"{instance}'s password", str(urlsplit(api.secret("db")).password))
            stored, server = api.secret("dbverifier").split("$")[2].split(":")
            self._know(f"{instance}'s stored key", stored)
            self._know(f"{instance}'s server key", server)

    def _know(self, name: str, value: str) -> None:
        assert len(value) >= 16
        self.values[name if self.values.get(name, value) == value else f"{name}, later"] = value


@pytest.fixture(scope="module")
def watched(shared_machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """Dry runs, a first deploy, a re-encryption, a repaired password: with all the output pyinfra can be asked for."""
    lab = bare(shared_machine, tmp_path_factory.mktemp("leaks"))
    lab.project.cold = True
    lab.configure(LOG_ALL)
    watched = Watched(lab, f"planted-{secrets.token_hex(16)}")
    loud = ("-vvv", "--debug")
    with sampled() as sampler:
        watched.processes = sampler
        _plant_in_processes(watched)
        watched.run("dry run of the first deploy", "--dry", "--diff", *loud)
        # these two end after planning
        watched.run("operations of the first deploy", "--debug-operations", *loud)
        watched.run("facts of the first deploy", "--debug-facts", *loud)
        watched.run("dry run as JSON", "--dry", "--json", "-vvv")
        watched.run("first deploy", "-y", "--diff", *loud)
        watched.run("nothing to do", "-y", *loud)
        watched.learn()
        lab.project.data["operators"].append(keypair(lab.project.directory.parent / "keys", "second").public)
        lab.project.write()
        shared_machine.run("runuser -u postgres -- psql -qc \"ALTER ROLE supabase_prod PASSWORD 'drift'\"")
        watched.run("dry run of a re-encryption", "--dry", "--diff", *loud)
        watched.run("operations of a re-encryption", "--debug-operations", *loud)
        watched.run("unanswered prompt", *loud, stdin="")
        watched.run("re-encryption and password", "-y", "--diff", *loud)
        lab.change("dev", log_level="debug")
        watched.run("change as JSON", "-y", "--json", "-vvv")
    watched.learn()
    assert lab.serves() == {"dev": "200", "prod": "200"}
    print(f"{len(watched.values)} values in {watched.needles.count} forms; {sampler.rounds} rounds over the process lists")
    return watched


def _plant_in_processes(watched: Watched) -> None:
    """As an argument and as an environment of a short command on both machines."""
    command = f"sh -c 'sleep 0.3; true' {watched.planted}-argument; PLANTED={watched.planted}-environment sh -c 'sleep 0.3; true'"
    watched.lab.machine.run(command)
    subprocess.run(["sh", "-c", command], check=True)


def test_pyinfra_s_output(watched: Watched) -> None:
    assert len(watched.outputs) == 11
    assert min(map(len, watched.outputs.values())) > 1000
    for name, output in watched.outputs.items():
        assert watched.needles.in_text(output) == set(), name
    echoed = watched.lab.project.command("exec", "--", "echo", watched.planted)
    control = subprocess.run(echoed, cwd=watched.lab.project.directory, capture_output=True, text=True)
    assert watched.needles.in_text(control.stdout + control.stderr) == {"planted"}


def test_process_lists_of_both_machines(watched: Watched) -> None:
    assert watched.processes.rounds > 100
    assert watched.needles.in_bytes(watched.processes.seen) == {"planted"}
    for way in ("argument", "environment"):
        holders = [entry for entry in watched.processes.seen if f"{watched.planted}-{way}".encode() in entry]
        # the shell that ran both, and the planted processes
        assert holders, way
    # the sampling saw the run's own commands on the host and here
    for trace in (b"nixos-rebuild", b"psql", b"pyinfra\0", b"switch-to-configuration"):
        assert any(trace in entry for entry in watched.processes.seen), trace


def _plant(machine: Machine, planted: str) -> None:
    """The value, once plain and once in base64, in every place of PLACES; the store's by nix, the logs' by their writers."""
    encoded = base64.b64encode(f"x{planted}".encode()).decode()
    folders = "/tmp /var/tmp /run /var/lib/supabase /etc/nixos /etc /root /var/log"
    machine.run(
        "IFS= read -r plain; IFS= read -r encoded; "
        f'for d in {folders}; do printf "%s\\n" "$plain" > $d/planted; done; '
        'printf "%s\\n" "$encoded" > /tmp/encoded; nix-store --add /tmp/planted; printf "%s\\n" "$plain" | logger; '
        # as any application would, so that log_statement is seen to log
        'printf "SELECT 1 AS \\"%s\\";\\n" "$encoded" | runuser -u postgres -- psql -qtA',
        stdin=f"{planted}\n{encoded}\n",
    )


def test_places_on_the_host(watched: Watched) -> None:
    machine = watched.lab.machine
    found = {place: watched.needles.on(machine, command) for place, command in PLACES.items()}
    assert found == {place: set() for place in PLACES}
    _plant(machine, watched.planted)
    found = {place: watched.needles.on(machine, command) for place, command in PLACES.items()}
    assert found == {place: {"planted"} for place in PLACES}
    statements = machine.run("journalctl -q -u postgresql -o cat | grep -c 'statement: SELECT 1 AS'").stdout
    assert int(statements) >= 1, "PostgreSQL logs statements"
    assert watched.needles.on(machine, "journalctl -q -u postgresql -o cat | grep $SEARCH -") == {"planted"}


def test_the_search_finds_the_values_where_they_belong(watched: Watched) -> None:
    machine = watched.lab.machine
    everything = {name for name in watched.values if "password" not in name and " key" not in name}
    assert watched.needles.on(machine, "grep $SEARCH /run/agenix.d") >= everything
    keys = watched.needles.on(machine, "cat /run/supabase/*/rest/jwks.json | grep $SEARCH -")
    assert keys == {"dev's jwt", "prod's jwt"}
    modes = machine.run("stat -L -c %a /run/agenix.d/*/* /run/supabase/*/rest/jwks.json /run/supabase/*/gateway/keys.conf").stdout
    assert set(modes.split()) == {"400"}


def test_workstation(watched: Watched, tmp_path: Path) -> None:
    project = watched.lab.project.directory
    assert (project / "pyinfra-debug.log").exists(), "the unanswered prompt leaves pyinfra's log of an unexpected end"
    places = {"the project": project, "pyinfra-debug.log": project / "pyinfra-debug.log"}
    assert {name: watched.needles.under(path) for name, path in places.items()} == {name: set() for name in places}
    mark = watched.lab.project.operator.private
    temporary = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"))
    assert watched.needles.under(*temporary, newer=mark) == set()
    (project / "planted").write_text(watched.planted)
    with (project / "pyinfra-debug.log").open("a") as log:
        log.write(watched.planted)
    planted = tmp_path / "planted"
    planted.write_text(watched.planted)
    assert {name: watched.needles.under(path) for name, path in places.items()} == {name: {"planted"} for name in places}
    assert watched.needles.under(*temporary, newer=mark) == {"planted"}
