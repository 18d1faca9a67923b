"""Loads inventories as the pyinfra command does, in a process of its own: pyinfra's CLI patches the one it is imported in.

python -m tests.loading        a project directory a line on stdin, an answer (JSON) a line on stdout
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Loader:
    process: "subprocess.Popen[str]"

    @classmethod
    def start(cls, caches: Path) -> "Loader":
        command, root, pipe = [sys.executable, "-m", "tests.loading"], Path(__file__).parents[1], subprocess.PIPE
        environment = {**os.environ, "XDG_CACHE_HOME": str(caches)}
        return cls(subprocess.Popen(command, cwd=root, env=environment, stdin=pipe, stdout=pipe, text=True))

    def stop(self) -> None:
        self.process.communicate()

    def load(self, directory: Path) -> dict[str, Any]:
        """What `answer` gives for a directory."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{directory}\n")
        self.process.stdin.flush()
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found


def answer(directory: Path) -> dict[str, Any]:
    """
    hosts      host to its key, module_dir, number of recipients, and its instances with their slots
    stop       instead of these: the kind of Stop and its message
    data       host to what pyinfra has and what we read (value and files) for the keys x, y, z, u
    """
    from pyinfra.api.state import State
    from pyinfra.context import ctx_state
    from pyinfra_cli.inventory import make_inventory  # type: ignore[import-untyped]

    from desired.errors import Stop
    from operations.estate import host_input, load_estate

    with ctx_state.use(State()):
        inventory = make_inventory(str(directory / "inventory.py"), cwd=str(directory))
    data = {}
    try:
        for host in inventory:
            source = host_input(inventory, host)
            data[host.name] = {key: [host.data.get(key), source.value(key), source.files(key)] for key in "xyzu"}
        hosts = load_estate(inventory).hosts
    except Stop as stop:
        return {"stop": [type(stop).__name__, str(stop)], "data": data}
    described = {
        host.name: {
            "key": host.host_key,
            "module_dir": host.module_dir,
            "recipients": len(host.recipients),
            "slots": {item.name: item.slot for item in host.instances},
        }
        for host in hosts
    }
    return {"hosts": described, "data": data}


if __name__ == "__main__":
    for line in sys.stdin:
        os.chdir(line.strip())
        print(json.dumps(answer(Path.cwd())), flush=True)
