"""The way back on a real machine: whatever goes wrong, in a stated time the earlier system serves again, and nothing is lost.

Prod is asked without a pause during every failure of dev's change, and no request of it may fail.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.host import Machine
from tests.lab import TREE, Lab, bare
from tests.project import Run

#: The commands of a run that changes an instance, in their order; those of a first one.
STEPS = ("lock", "install", "build", "arm", "activate", "health", "confirm")
FIRST_STEPS = ("lock", "install", "build", "arm", "activate", "sql", "start", "health", "confirm")
BROKEN_GATEWAY = 'systemd.services.supabase-dev.serviceConfig.ExecStart = lib.mkForce "${pkgs.coreutils}/bin/false";'
#: `ssh` itself is no part of a system here, so the unit that ends it starts it again when it goes. `{}`: what else ends.
NO_SSH = """systemd.services.no-ssh = {{ wantedBy = [ "multi-user.target" ];
  serviceConfig = {{ Type = "oneshot"; RemainAfterExit = true; ExecStart = "/bin/sh -c 'systemctl stop ssh.socket ssh.service; {}'";
    ExecStop = "/bin/sh -c 'systemctl start ssh.service'"; }}; }};"""


@pytest.fixture(scope="module")
def lab(shared_machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Prod and dev deployed."""
    made = bare(shared_machine, tmp_path_factory.mktemp("lab"))
    assert made.project.converge().status == 0
    return made


@pytest.fixture
def good(lab: Lab) -> Iterator[Lab]:
    """The lab as a converged one; afterwards, with the fault removed, the next run converges and a second has nothing to do."""
    lab.wait_at_most(60)
    yield lab
    lab.configure()
    lab.project.data["instances"]["dev"].pop("port", None)
    lab.project.write()
    converges(lab)


def converges(lab: Lab) -> None:
    """The next run goes green, is confirmed and serves; one more has nothing to do."""
    run = lab.project.converge()
    assert run.status == 0, run.output
    assert lab.serves() == {"prod": "200", "dev": "200"}
    standing = lab.standing()
    assert standing.running == standing.profile == standing.boot
    assert standing.running == lab.machine.run("readlink -f /var/lib/supabase/confirmed").stdout.strip()
    assert not lab.armed()
    again = lab.project.converge()
    assert again.unchanged, again.output


def no_failure(counts: dict[str, int]) -> None:
    assert set(counts) == {"200"}
    assert counts["200"] > 10


@dataclass(frozen=True)
class Fault:
    """`body`: in the host's configuration; `seconds`: by when the earlier system serves again; `said`: what the run says."""

    body: str
    seconds: float
    said: tuple[str, ...]
    prepare: str = "true"
    dev: dict[str, int] = field(default_factory=dict)
    way_back_seconds: int = 20


RETURNED = r"the host has returned to /nix/store/\S+: "
FAULTS = {
    "gateway does not start": Fault(
        BROKEN_GATEWAY,
        25,
        ("health: dev answers HTTP 000", r"supabase-dev.service is \w+ \(exit-code\)", "status=1/FAILURE", RETURNED + "health was not seen"),
    ),
    "gateway's port is taken": Fault(
        "",
        25,
        ("health: dev answers HTTP 404", "supabase-dev.service is", "Address already in use", RETURNED + "health was not seen"),
        prepare="systemd-run --unit=squatter --collect caddy respond --listen 127.0.0.1:8099 --status 404",
        dev={"port": 8099},
    ),
    "unit fails": Fault(
        'systemd.services.new = { wantedBy = [ "multi-user.target" ]; script = "echo why it fails; exit 1"; };',
        15,
        ("units failed: new.service", "why it fails", RETURNED + "the activation failed"),
    ),
    "activation script fails": Fault(
        'system.activationScripts.broken = "echo what is wrong; exit 1";',
        15,
        ("what is wrong", "switch-to-configuration ended with status 2", RETURNED + "the activation failed"),
    ),
    "no new SSH connection": Fault(NO_SSH.format("true"), 15, ("health: no new connection", RETURNED + "health was not seen: no new connection")),
    "SSH and its sessions killed": Fault(
        NO_SSH.format("pkill -KILL sshd"), 10 + 8, ("the connection is gone", "returns by itself"), way_back_seconds=10
    ),
    "SQL fails": Fault(
        "",
        15,
        ("cannot execute CREATE ROLE in a read-only transaction", RETURNED + "the databases could not be brought forward"),
        prepare="runuser -u postgres -- psql -c 'drop owned by supabase_dev_storage' -c 'drop role supabase_dev_storage'"
        " -c 'alter system set default_transaction_read_only = on' -c 'select pg_reload_conf()'",
    ),
}


class TestReturn:
    """A fault that shows after the switch."""

    @pytest.mark.parametrize("name", FAULTS)
    def test_returns(self, good: Lab, name: str) -> None:
        fault, machine = FAULTS[name], good.machine
        before, secrets = good.standing(), good.project.files()
        machine.run(fault.prepare)
        good.configure(fault.body)
        good.wait_at_most(fault.way_back_seconds)
        good.change(**fault.dev or {})
        with good.traffic() as prod:
            began = time.monotonic()
            run = good.project.converge()
            while machine.console("test -e /var/lib/supabase/way-back", check=False).returncode == 0:
                assert time.monotonic() < began + fault.seconds
                time.sleep(0.1)
            took = time.monotonic() - began
        print(f"{name}: the earlier system after {took:.1f} s, {prod.total()} requests of prod")
        machine.run("systemctl stop squatter; runuser -u postgres -- psql -c 'alter system reset all' -c 'select pg_reload_conf()'", check=False)
        assert took < fault.seconds
        assert run.status != 0
        for said in fault.said:
            assert re.search(said, run.output), run.output
        no_failure(prod)
        assert good.standing() == before
        assert not good.armed()
        assert good.serves(5)["prod"] == "200"
        assert {path: text for path, text in good.project.files().items() if "secrets" in path or "slots" in path} == {
            path: text for path, text in secrets.items() if "secrets" in path or "slots" in path
        }
