"""Parts a test needs: a missing one skips it with the reason, and fails it where SUPABASE_REQUIRE=1 (CI)."""

import os
import shutil
from typing import Final, NoReturn

import pytest

#: Proofs that take long are made whole with SUPABASE_PROOF=1, else on a part: everything together has half an hour in CI.
WHOLE: Final = os.environ.get("SUPABASE_PROOF") == "1"


def give_up(reason: str) -> NoReturn:
    """Skip with `reason`, or fail where every part must be there."""
    if os.environ.get("SUPABASE_REQUIRE") == "1":
        pytest.fail(f"SUPABASE_REQUIRE=1, but {reason}")
    pytest.skip(reason)


def programs(*names: str) -> None:
    """Give up unless every program is on PATH."""
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        give_up(f"not on PATH: {', '.join(missing)}")
