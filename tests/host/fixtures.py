"""pytest fixtures: `machine` fresh for each test, `shared_machine` one for a module's tests.

Both have the miniature NixOS; with TESTHOST_NIXPKGS=real they get nixpkgs' lib and agenix' module of this machine instead.
"""

import os
from collections.abc import Iterator

import pytest

from . import nixpkgs
from .cache import missing
from .machine import Machine


def _machine() -> Iterator[Machine]:
    reason = missing()
    lib, agenix = None, None
    if os.environ.get("TESTHOST_NIXPKGS") == "real":
        lib, agenix = nixpkgs.nixpkgs_lib(), nixpkgs.agenix()
        if lib is None or agenix is None:
            reason = reason or "TESTHOST_NIXPKGS=real, but NIX_PATH and channels give no nixpkgs lib or no agenix"
    if reason and os.environ.get("SUPABASE_REQUIRE") == "1":
        pytest.fail(f"SUPABASE_REQUIRE=1, but {reason}")
    if reason:
        pytest.skip(reason)
    machine = Machine.start(nixpkgs_lib=lib, agenix=agenix)
    try:
        yield machine
    finally:
        machine.stop()


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A fresh machine, gone after the test."""
    yield from _machine()


@pytest.fixture(scope="module")
def shared_machine() -> Iterator[Machine]:
    """One machine for all tests of a module that ask for it: each must leave it as it found it, or not mind."""
    yield from _machine()
