"""The stages of a rotation on bytes alone; on files in test_secret_crash.py, on a host in test_rotate_secrets.py."""

from datetime import UTC, datetime, timedelta

import pytest

from desired.errors import SecretStop
from desired.rotation import Stage, Standing, stages

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
OPEN, OVER = NOW + timedelta(hours=1), NOW - timedelta(seconds=1)
NONE = Standing()
STARTED = Standing(following=True)
OVERLAPPING = Standing(previous=True, until=OPEN)
ENDED = Standing(previous=True, until=OVER)
DAMAGED = Standing(previous=True)


@pytest.mark.parametrize(
    ("standing", "retire_now", "left"),
    [
        (NONE, False, ("start", "switch")),
        (STARTED, False, ("start", "switch")),
        (OVERLAPPING, False, (None,)),
        (ENDED, False, ("start", "switch")),
        (DAMAGED, False, (None,)),
        (Standing(following=True, previous=True, until=OVER), False, ("start", "switch")),
        (NONE, True, (None,)),
        (OVERLAPPING, True, ("retire",)),
        (ENDED, True, ("retire",)),
    ],
)
def test_what_is_left_to_do(standing: Standing, retire_now: bool, left: tuple[Stage | None, ...]) -> None:
    assert stages(standing, NOW, retire_now=retire_now) == left


def test_the_old_is_not_retired_before_the_new_is_in_its_place() -> None:
    with pytest.raises(SecretStop, match="has not switched yet"):
        stages(STARTED, NOW, retire_now=True)


@pytest.mark.parametrize(
    ("standing", "stage", "left"),
    [
        (NONE, None, ()),
        (STARTED, None, ("-next",)),
        (OVERLAPPING, None, ("-previous",)),
        (DAMAGED, None, ("-previous",)),
        (ENDED, None, ()),
        (NONE, "start", ("-next",)),
        (STARTED, "start", ("-next",)),
        (ENDED, "start", ("-next",)),
        (OVERLAPPING, "start", ("-next", "-previous")),
        (STARTED, "switch", ("-previous",)),
        (OVERLAPPING, "switch", ("-previous",)),
        (OVERLAPPING, "retire", ()),
        (NONE, "retire", ()),
    ],
)
def test_the_generations_a_run_leaves(standing: Standing, stage: Stage | None, left: tuple[str, ...]) -> None:
    """And leaves again: what a stage has done changes nothing of what it wants."""
    assert standing.after(stage, NOW) == left
    after = Standing("-next" in left, "-previous" in left, OPEN if "-previous" in left else None)
    assert after.after(stage, NOW) == left
