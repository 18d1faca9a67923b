"""Fixtures of all tests. A part that is missing on this machine skips with a reason; SUPABASE_REQUIRE=1 makes it fail."""

import os

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.host.fixtures"]

# A user's runs keep their bytecode; without it each of ours would compile all of our code.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# How fast the machine is, no property says.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files whose tests need a machine go first: they take longest, and who is through with them has the others to do."""
    slow = {item.path for item in items if {"machine", "shared_machine"}.intersection(getattr(item, "fixturenames", ()))}
    items.sort(key=lambda item: item.path not in slow)
