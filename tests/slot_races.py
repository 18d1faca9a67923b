"""Two processes each take a slot for an instance of their own, again and again: no slot twice, none lost."""

import os
import time
import traceback
from pathlib import Path

from desired.errors import Busy
from desired.slots import allocate
from workstation import slot_file


def races(place: Path, count: int) -> None:
    for number in range(count):
        if number % 100 == 0:
            (place / slot_file.FILE).unlink(missing_ok=True)
        go, starter = os.pipe()
        racers = [_racer(place, f"{side}{number}", go, starter) for side in "ab"]
        os.close(go)
        os.close(starter)  # both start now
        assert [os.waitpid(pid, 0)[1] for pid in racers] == [0, 0]
        slots = slot_file.read(place)["server"]
        assert sorted(slots.values()) == list(range(2 * (number % 100) + 2))
        assert {f"a{number}", f"b{number}"} <= slots.keys()
    print(f"{count} races")


def _racer(place: Path, name: str, go: int, starter: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        os.close(starter)
        os.read(go, 1)
        while True:
            try:
                held = slot_file.read(place)
                slot_file.claim(place, {"server": allocate(held.get("server", {}), [name])})
                os._exit(0)
            except Busy:
                time.sleep(0.001)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
