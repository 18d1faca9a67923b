from datetime import UTC, datetime, timedelta

from workstation import clock


def test_now_is_in_utc_and_whole_seconds() -> None:
    now = clock.now()
    assert now.tzinfo is UTC
    assert now.microsecond == 0
    assert abs(datetime.now(UTC) - now) < timedelta(seconds=5)
