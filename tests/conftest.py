"""Fixtures of all tests. A part that is missing on this machine skips with a reason; SUPABASE_REQUIRE=1 makes it fail."""

from hypothesis import settings

pytest_plugins = ["tests.host.fixtures"]

# How long an example takes says more of the machine than of the code.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
