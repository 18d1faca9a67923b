"""The numbers that follow from a slot: ports and uids. The table is `numbers.json` of the module, which Nix reads too."""

import json
from pathlib import Path
from typing import Final

_TABLE: Final = json.loads((Path(__file__).parent.parent / "templates/modules/supabase/numbers.json").read_text(encoding="utf-8"))
SLOTS: Final[int] = _TABLE["slots"]
PUBLIC_BASE: Final[int] = _TABLE["publicBase"]
#: The ports and uids that belong to slots, whether taken or not.
INTERNAL: Final = range(_TABLE["base"], _TABLE["base"] + _TABLE["span"] * SLOTS)


def service_kinds() -> tuple[str, ...]:
    """Every service that has numbers, served or not."""
    return tuple(_TABLE["service"])


def public_port(slot: int) -> int:
    """The gateway's port when the instance does not choose one."""
    return PUBLIC_BASE + slot


def internal(slot: int, service: str) -> int:
    """Uid, gid and loopback port of one service. Raises KeyError for a service that is not in the table."""
    return int(_TABLE["base"] + _TABLE["span"] * slot + _TABLE["service"][service])
