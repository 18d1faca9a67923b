"""Fixtures of all tests. A part that is missing on this machine skips with a reason; SUPABASE_REQUIRE=1 makes it fail."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.host.fixtures"]

# How fast the machine is, no property says.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
