"""The way back on a real machine: whatever goes wrong, in a stated time the earlier system serves again, and nothing is lost.

Prod is asked without a pause during every failure of dev's change, and no request of it may fail.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.host import Machine
from tests.lab import TREE, Lab, bare

#: The commands of a run that changes an instance, in their order; those of a first one.
STEPS = ("lock", "install", "build", "arm", "activate", "health", "confirm")
FIRST_STEPS = ("lock", "install", "build", "arm", "activate", "sql", "start", "health", "confirm")
BROKEN_GATEWAY = 'systemd.services.supabase-dev.serviceConfig.ExecStart = lib.mkForce "${pkgs.coreutils}/bin/false";'
#: `ssh` itself is no part of a system here, so the unit that ends it starts it again when it goes. `{}`: what else ends.
NO_SSH = """systemd.services.no-ssh = {{ wantedBy = [ "multi-user.target" ];
  serviceConfig = {{ Type = "oneshot"; RemainAfterExit = true;
    ExecStart = "/bin/sh -c 'systemctl stop ssh.socket ssh.service; {}'";
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
    if not run.unchanged:
        again = lab.project.converge()
        assert again.unchanged, again.output


def returned(lab: Lab, deadline: float) -> None:
    """Wait until the way back has ended."""
    while lab.machine.console("test -e /var/lib/supabase/way-back", check=False).returncode == 0:
        assert time.monotonic() < deadline, "the way back has not ended"
        time.sleep(0.1)


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
    dev: dict[str, Any] = field(default_factory=dict)
    way_back_seconds: int = 16


#: How much slower than a quiet machine this one may be: other tests run beside it.
SLOW = 3
#: Longer than a run takes on a busy machine: what returns sooner did not wait for the timer.
AT_ONCE = 180
RETURNED = r"the host has returned to /nix/store/\S+: "
FAULTS = {
    "gateway does not start": Fault(
        BROKEN_GATEWAY,
        25,
        ("health: dev: does not answer", r"supabase-dev.service is \w+", "status=1/FAILURE", RETURNED + "health was not seen"),
    ),
    "gateway's port is taken": Fault(
        "",
        25,
        (
            "units failed: supabase-dev-8099.socket",
            "Address already in use|Failed to receive listening socket",  # which of both, chance decides
            RETURNED + "the activation failed",
        ),
        way_back_seconds=AT_ONCE,
        prepare="systemd-run --unit=squatter --collect caddy respond --listen 127.0.0.1:8099 --status 404",
        dev={"port": 8099},
    ),
    "unit fails": Fault(
        'systemd.services.new = { wantedBy = [ "multi-user.target" ]; script = "echo why it fails; exit 1"; };',
        25,
        ("units failed: new.service", "why it fails", RETURNED + "the activation failed"),
        way_back_seconds=AT_ONCE,
    ),
    "activation script fails": Fault(
        'system.activationScripts.broken = "echo what is wrong; exit 1";',
        25,
        ("what is wrong", "switch-to-configuration ended with status 2", RETURNED + "the activation failed"),
        way_back_seconds=AT_ONCE,
    ),
    "no new SSH connection": Fault(
        NO_SSH.format("true"),
        25,
        ("health: no new connection", RETURNED + "health was not seen: no new connection"),
        way_back_seconds=AT_ONCE,
    ),
    "SSH and its sessions killed": Fault(
        NO_SSH.format("${pkgs.procps}/bin/pkill -KILL sshd"),
        10 + 15,
        ("the connection is gone", "returns by itself"),
        way_back_seconds=10,
    ),
}


class TestReturn:
    """A fault that shows after the switch."""

    @pytest.mark.parametrize("name", FAULTS)
    def test_the_earlier_system_serves_again(self, good: Lab, name: str) -> None:
        fault, machine = FAULTS[name], good.machine
        before, kept = good.standing(), good.kept()
        machine.run(fault.prepare)
        good.configure(fault.body)
        good.wait_at_most(fault.way_back_seconds)
        good.change(**fault.dev)
        with good.traffic() as prod:
            began = time.monotonic()
            run = good.project.converge()
            returned(good, began + SLOW * fault.seconds)
            took = time.monotonic() - began
        print(f"{name}: the earlier system after {took:.1f} s, {prod.total()} requests of prod")
        assert took < SLOW * fault.seconds
        machine.run("systemctl stop squatter", check=False)
        assert run.status != 0
        for said in fault.said:
            assert re.search(said, run.output), run.output
        no_failure(prod)
        assert good.standing() == before
        assert good.serves(5) == {"prod": "200", "dev": "200"}
        assert good.kept() == kept

    def test_sql_fails(self, good: Lab) -> None:
        """Somebody makes a role of that name at the very moment."""
        before = good.standing()
        drop = "-c 'drop owned by supabase_dev_storage' -c 'drop role supabase_dev_storage'"
        good.machine.run(f"runuser -u postgres -- psql supabase_dev {drop}")
        good.change()
        with good.traffic() as prod, good.paused("before", "sql") as run:
            good.machine.run("runuser -u postgres -- psql -c 'create role supabase_dev_storage'")
            said = run.go_on()
        good.machine.run("runuser -u postgres -- psql -c 'drop role supabase_dev_storage'")
        assert said.status != 0
        assert "role supabase_dev_storage exists and was not made by this project" in said.output
        assert re.search(RETURNED + "the databases could not be brought forward", said.output), said.output
        no_failure(prod)
        assert good.standing() == before

    def test_ssh_is_cut_after_the_switch(self, good: Lab) -> None:
        """The timer: within way_back_seconds (12) and 5 s. The workstation notices, says so and ends within 25 s."""
        before, kept = good.standing(), good.kept()
        good.wait_at_most(12)
        good.change()
        with good.traffic() as prod, good.paused("after", "activate") as run:
            began = time.time()
            good.machine.cut_network()
            said = run.go_on()
            noticed = time.time() - began
            returned(good, time.monotonic() + 12 + SLOW * 5)
            took = float(good.machine.console("stat -c %.Y /var/lib/supabase/returned").stdout) - began
            good.machine.restore_network()
        print(f"cut: the earlier system after {took:.1f} s; the run ended after {noticed:.1f} s")
        assert took < 12 + SLOW * 5
        assert said.status != 0
        assert "the connection is gone" in said.output
        assert "the host returns by itself" in said.output
        assert noticed < SLOW * 25 + 12
        no_failure(prod)
        assert good.standing() == before
        assert good.kept() == kept
        assert "no confirmation within 12 seconds" in good.project.converge().output


class TestBefore:
    """A fault that shows before the switch: nothing is switched, and the module tree is restored."""

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            ("nonsense = 1;", "The option `nonsense"),
            ('age.identityPaths = lib.mkForce [ "/etc/ssh/other" ];', "supabase-dev-jwt: does not open with /etc/ssh/other"),
        ],
        ids=["evaluation", "secret for another key"],
    )
    def test_nothing_is_switched(self, good: Lab, body: str, said: str) -> None:
        before, kept = good.standing(), good.kept()
        good.machine.run("[ -e /etc/ssh/other ] || ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/other")
        good.configure(body)
        good.change()
        with good.traffic() as prod:
            run = good.project.converge()
        assert run.status != 0
        assert said in run.output
        assert "armed" not in run.output
        no_failure(prod)
        assert (good.standing(), good.kept()) == (before, kept)

    def test_the_import_is_gone(self, good: Lab) -> None:
        before = good.standing()
        good.configure(imports="imports = [ <agenix/modules/age.nix> ];")
        good.change()
        run = good.project.converge()
        assert run.status != 0
        assert f"add  imports = [ {TREE} ];  to the host's configuration" in run.output
        assert good.standing() == before

    def test_the_tree_of_somebody_else_is_imported(self, good: Lab) -> None:
        good.machine.run(f"cp -r {TREE} /etc/nixos/elsewhere")
        before = good.standing()
        good.configure(imports="imports = [ <agenix/modules/age.nix> ./elsewhere ];")
        good.change()
        run = good.project.converge()
        assert run.status != 0
        assert f"the built system was not made from {TREE}" in run.output
        assert good.standing() == before

    def test_somebody_deploys_from_elsewhere(self, good: Lab) -> None:
        theirs = """sed -i 's/"logLevel": "[a-z]*"/"logLevel": "info"/'"""
        good.machine.run(f"{theirs} {TREE}/instances/dev.json && nixos-rebuild switch")
        before = good.standing()
        run = good.project.converge()
        assert run.status != 0
        assert "somebody deploys it from elsewhere" in run.output
        assert good.standing() == before
        hint = re.search(r"ln -sfn .*", run.output)
        assert hint
        good.machine.run(hint[0])

    def test_what_is_not_ours_in_the_tree_stays(self, good: Lab) -> None:
        good.machine.run(f"cd {TREE} && mkdir notes && echo mine > notes/a.txt && git init -q && git add -A")
        before = good.standing()
        good.configure("nonsense = 1;")
        good.change()
        assert good.project.converge().status != 0
        after = good.standing().tree
        status = good.machine.run(f"cd {TREE} && git status --porcelain").stdout
        good.machine.run(f"rm -rf {TREE}/notes {TREE}/.git")
        assert {path: after.get(path) for path in before.tree if "/.git" not in path} == {
            path: text for path, text in before.tree.items() if "/.git" not in path
        }
        assert "D" not in status

    def test_bare_host_without_the_import(self, machine: Machine, tmp_path: Path) -> None:
        lab = bare(machine, tmp_path)
        lab.configure(imports="imports = [ <agenix/modules/age.nix> ];")
        before = machine.snapshot("/etc/nixos", "/boot", "/etc/systemd", "/run/agenix")
        system = machine.run("readlink -f /run/current-system").stdout
        run = lab.project.converge()
        kept = lab.kept()
        assert run.status != 0
        assert f"add  imports = [ {TREE} ];" in run.output
        assert machine.snapshot("/etc/nixos", "/boot", "/etc/systemd", "/run/agenix") == before
        assert machine.run("readlink -f /run/current-system").stdout == system
        lab.configure()
        converges(lab)
        assert lab.kept() == kept

    def test_a_role_that_is_not_ours(self, machine: Machine, tmp_path: Path) -> None:
        """Seen before anything is sent: the host as it was, except that nothing is there."""
        machine.run("runuser -u postgres -- psql -c 'create role anon login'")
        lab = bare(machine, tmp_path)
        before = machine.snapshot("/etc", "/var/lib/supabase", "/nix/var/nix/profiles", "/boot")
        run = lab.project.converge()
        assert run.status != 0
        assert "anon" in run.output
        assert machine.snapshot("/etc", "/var/lib/supabase", "/nix/var/nix/profiles", "/boot") == before
        machine.run("runuser -u postgres -- psql -c 'drop role anon'")
        converges(lab)


class TestUnrelated:
    """What was broken before is not this run's fault."""

    def test_a_unit_had_failed(self, good: Lab) -> None:
        good.configure('systemd.services.old = { wantedBy = [ "multi-user.target" ]; script = "exit 1"; };')
        good.machine.run("nixos-rebuild switch", check=False)
        assert good.machine.run("systemctl is-failed old").stdout.strip() == "failed"
        good.configure('systemd.services.old = { wantedBy = [ "multi-user.target" ]; script = "exit 1"; };')
        good.change()
        run = good.project.converge()
        assert run.status == 0, run.output
        assert not good.armed()

    def test_an_instance_did_not_answer(self, good: Lab) -> None:
        """It is reported and the exit code is not 0, but the other instance's change is live and confirmed."""
        drop_in = "/run/systemd/system/supabase-dev.service.d"
        good.machine.put(f"{drop_in}/broken.conf", "[Service]\nExecStart=\nExecStart=/bin/false\n")
        good.wait_at_most(20)
        good.machine.run("systemctl daemon-reload && systemctl restart --no-block supabase-dev && sleep 1")
        before = good.standing()
        good.change("prod")
        run = good.project.converge()
        good.machine.run(f"rm -r {drop_in} && systemctl daemon-reload")
        assert run.status != 0
        assert "! dev: does not answer; see  systemctl status supabase-dev.slice  on the host" in run.output
        assert "health, as before this run: dev: does not answer" in run.output
        after = good.standing()
        assert after.running == after.boot != before.running
        assert not good.armed()


class TestKilled:
    """SIGKILL of pyinfra at every command; the next run is started at once, while the last command may still be at work."""

    def test_steps(self, good: Lab, tmp_path: Path) -> None:
        good.change()
        assert good.interrupted("never", "", log=tmp_path / "log").status == 0
        assert tuple((tmp_path / "log").read_text().split()) == STEPS

    @pytest.mark.parametrize(("when", "step"), [*(("sent", step) for step in STEPS), ("after", "activate"), ("after", "health")])
    def test_a_change(self, good: Lab, when: str, step: str) -> None:
        kept = good.kept()
        good.change()
        with good.traffic() as prod:
            assert good.interrupted(when, step).status == -9
            run = good.project.converge()
        assert run.status == 0, run.output
        assert not good.armed()
        no_failure(prod)
        assert good.kept() == kept

    def test_a_first_deploy(self, machine: Machine, tmp_path: Path) -> None:
        """One killed run after the other, each a step further; the machine has no PostgreSQL. Secrets are made once."""
        lab = bare(machine, tmp_path)
        kept = None
        for step in FIRST_STEPS:
            for when in ("sent", "after") if step == "sql" else ("sent",):
                run = lab.interrupted(when, step)
                assert run.status == -9, f"{when} {step}: {run.output}"
                kept = kept or lab.kept()
        converges(lab)
        assert lab.kept() == kept

    def test_reverted_after_the_switch(self, good: Lab) -> None:
        """The killed run's change is taken back: the next run goes back to what was confirmed."""
        before = good.standing()
        dev = dict(good.project.data["instances"]["dev"])
        good.change()
        assert good.interrupted("after", "activate").status == -9
        good.project.data["instances"]["dev"] = dev
        good.project.write()
        assert good.project.converge().status == 0
        assert good.standing() == before


class TestRestart:
    """A reboot or a power cut: the confirmed system boots, and serves without a run."""

    @pytest.mark.parametrize("how", ["reboot", "power_cut"])
    def test_when_confirmed(self, good: Lab, how: str) -> None:
        before = good.standing()
        getattr(good.machine, how)()
        assert good.serves() == {"prod": "200", "dev": "200"}
        assert good.standing() == before

    @pytest.mark.parametrize("how", ["reboot", "power_cut"])
    def test_when_armed(self, good: Lab, how: str) -> None:
        before = good.standing()
        good.change()
        with good.paused("after", "activate") as run:
            assert good.standing().running != before.running
            run.kill()
        getattr(good.machine, how)()
        assert good.serves() == {"prod": "200", "dev": "200"}
        assert good.standing() == before
        assert not good.armed()

    def test_first_deploy(self, machine: Machine, tmp_path: Path) -> None:
        """The system that boots has no module of ours: the next run does what is left to do."""
        lab = bare(machine, tmp_path)
        with lab.paused("after", "sql") as run:
            run.kill()
        machine.power_cut()
        assert machine.run("ls /run/current-system/etc/supabase", check=False).returncode != 0
        converges(lab)

    def test_between_boot_default_and_confirmation(self, good: Lab) -> None:
        """The rare moment in confirm.sh: whatever boots, the tree is that system's, and the next run converges."""
        good.change()
        with good.paused("after", "health") as run:
            built = good.standing().running
            run.kill()
        good.machine.run(f"touch /var/lib/supabase/way-back/default && nix-env -p /nix/var/nix/profiles/system --set {built}")
        good.machine.power_cut()
        standing = good.standing()
        assert standing.running == standing.boot == standing.profile
        source = good.machine.run(f"cat {standing.running}/etc/supabase/source/instances/dev.json").stdout
        assert good.machine.run(f"cat {TREE}/instances/dev.json").stdout == source
