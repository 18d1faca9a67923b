"""The only door to the time of day."""

from datetime import UTC, datetime


def now() -> datetime:
    """Now, in UTC, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)
