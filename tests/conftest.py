"""Fixtures of all tests. A part that is missing on this machine skips with a reason; SUPABASE_REQUIRE=1 makes it fail."""

pytest_plugins = ["tests.host.fixtures"]
