"""Hosts that are built from a flake: in a git tree of root, in one of somebody else, and as a plain directory.

The small nixos-rebuild of the test host has inputs nixpkgs and agenix of its own; Nix, its daemon and git are the real ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.converge import converge_checked
from tests.host import Machine
from tests.keys import keypair
from tests.lab import TREE, Lab
from tests.project import on_machines

FLAKE = """
{
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";
  inputs.agenix.url = "github:ryantm/agenix";
  outputs = { self, nixpkgs, agenix }: {
    nixosConfigurations.cloud = nixpkgs.lib.nixosSystem {
      system = "x86_64-linux";
      modules = [ agenix.nixosModules.default ./host.nix MODULES ];
    };
  };
}
"""


@dataclass
class FlakeHost:
    """A machine that /etc/nixos/flake.nix makes a system `cloud` of; nothing is deployed yet."""

    lab: Lab
    owner: str

    @property
    def machine(self) -> Machine:
        return self.lab.machine

    def configure(self, body: str = "", modules: str = "./supabase") -> None:
        """The user's own two files."""
        self.machine.put("/etc/nixos/flake.nix", FLAKE.replace("MODULES", modules))
        self.machine.put("/etc/nixos/host.nix", f'{{ lib, ... }}: {{ system.stateVersion = "25.11";\n{body}\n}}\n')
        self.machine.run(f"chown {self.owner} /etc/nixos/flake.nix /etc/nixos/host.nix")

    def want(self, **data: str) -> None:
        self.lab.project.data.update(data)
        self.lab.project.write()


def flake_host(machine: Machine, directory: Path, flake: str, owner: str, git: bool) -> FlakeHost:
    project = on_machines(directory / "project", [machine], {"prod": {}}, keypair(directory / "keys", "operator"), flake=flake)
    host = FlakeHost(Lab(machine, project), owner)
    machine.run("rm /etc/nixos/configuration.nix; useradd --create-home alice")
    host.configure()
    if git:
        machine.run("cd /etc/nixos && git init -q && git add flake.nix host.nix")
    machine.run(f"chown -R {owner} /etc/nixos")
    return host


KINDS = {
    "git": ("/etc/nixos#cloud", "root:root", True),
    "git of somebody else": ("/etc/nixos#cloud", "alice:alice", True),
    "path": ("path:/etc/nixos#cloud", "root:root", False),
}


@pytest.mark.parametrize("kind", KINDS)
def test_converges_changes_and_returns(machine: Machine, tmp_path: Path, kind: str) -> None:
    host = flake_host(machine, tmp_path, *KINDS[kind])
    lab = host.lab
    checked = converge_checked(lab.project, machine)
    print(f"{kind}: first deploy {checked.seconds:.1f} s")
    lab.project.data["instances"]["dev"] = {}
    lab.change("prod", log_level="error")
    converge_checked(lab.project, machine)
    assert lab.serves() == {"prod": "200", "dev": "200"}
    owned = machine.run("find /etc/nixos -printf '%u:%g\\n' | sort -u").stdout.split()
    assert owned == [host.owner]
    git = [".git"] if KINDS[kind][2] else []
    assert machine.run("ls -A /etc/nixos").stdout.split() == [*git, "flake.nix", "host.nix", "supabase"]

    before = lab.standing()
    host.configure('system.activationScripts.broken = "echo what is wrong; exit 1";')
    lab.change("dev", log_level="warn")
    run = lab.project.converge()
    assert run.status != 0
    assert "the host has returned to" in run.output
    assert lab.standing() == before
    host.configure()
    assert lab.project.converge().status == 0
    assert lab.project.converge().unchanged


@pytest.fixture(scope="module")
def lost(shared_machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> FlakeHost:
    """A git flake of somebody else on which nothing gets deployed."""
    return flake_host(shared_machine, tmp_path_factory.mktemp("lost"), *KINDS["git of somebody else"])


@pytest.fixture
def refuses(lost: FlakeHost) -> Iterator[FlakeHost]:
    """Every run fails and leaves the host as it was."""
    before = lost.lab.standing()
    lost.configure()
    lost.want(flake="/etc/nixos#cloud", module_dir=TREE)
    yield lost
    after = lost.lab.standing()
    assert (after.running, after.profile) == (before.running, before.profile)
    assert lost.machine.run("ls -A /etc/nixos").stdout.split() == [".git", "flake.nix", "host.nix"]


def said(host: FlakeHost) -> str:
    run = host.lab.project.converge()
    assert run.status != 0
    return run.output


def test_the_module_is_not_imported(refuses: FlakeHost) -> None:
    refuses.configure(modules="")
    line = "add  ./supabase  to the modules of nixosConfigurations.cloud in /etc/nixos/flake.nix  and run again"
    assert line in said(refuses)


def test_an_unknown_system(refuses: FlakeHost) -> None:
    refuses.want(flake="/etc/nixos#clod")
    assert "flake: /etc/nixos has no nixosConfigurations.clod; write the name of one of its systems after the #" in said(refuses)


def test_a_mistake_in_the_configuration(refuses: FlakeHost) -> None:
    refuses.configure("services.nonsense = true;")
    output = said(refuses)
    assert "services.nonsense" in output
    assert "the build failed; the host runs on as it was" in output


def test_no_flake_there(refuses: FlakeHost) -> None:
    refuses.want(flake="/srv/nixos#cloud")
    assert "flake: Nix reads /srv/nixos only, and /etc/nixos/supabase is not in it; set module_dir" in said(refuses)


def test_a_git_tree_without_git(refuses: FlakeHost) -> None:
    """Nothing is uploaded."""
    git = refuses.machine.run("readlink -f $(command -v git)").stdout.strip()
    refuses.machine.run(f"mv {git} {git}.away")
    try:
        assert "in the git work tree /etc/nixos, whose untracked files Nix does not see, and the host has no git" in said(refuses)
    finally:
        refuses.machine.run(f"mv {git}.away {git}")
