"""What the module is evaluated with, and a host with two instances."""

from pathlib import Path

import pytest

from tests.nix.evaluation import MINIATURE, Lab, Library, instance, needs, nixpkgs


@pytest.fixture(params=["nixpkgs", "miniature"])
def library(request: pytest.FixtureRequest) -> Library:
    """nixpkgs' real lib with agenix' real module, and those of the test host."""
    needs("nix-instantiate")
    if request.param == "miniature":
        return MINIATURE
    found = nixpkgs()
    if found is None:
        pytest.skip("no channel with nixpkgs' lib and agenix (~/.nix-defexpr/channels, NIX_PATH)")
    return found


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A host with two instances."""
    needs("nix-instantiate")
    lab = Lab(tmp_path / "host")
    lab.host()
    lab.put("prod", instance("prod", 0, subdomain="supabase"))
    lab.put("dev", instance("dev", 1))
    return lab
