"""Is the wanted state live?  python -m reports.live [pyinfra arguments]

Exit code 0: a deploy would change nothing and every instance answers. 1: it would, or a host could not be asked. pyinfra
itself also ends with 0 after Ctrl-C, a declined question and a `--limit` that matches nobody, which is why `just deploy`
asks this afterwards.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def live(arguments: Sequence[str]) -> tuple[bool, str]:
    """Whether the wanted state is live on every host that `arguments` select, and one line that says why not."""
    pyinfra = Path(sys.executable).with_name("pyinfra")
    # With -y pyinfra plans nothing, and everything would look live.
    asked = [argument for argument in arguments if argument not in ("-y", "--yes")]
    command = [str(pyinfra), "--dry", "--json", "inventory.py", "deploy.py", *asked]
    environment = {key: value for key, value in os.environ.items() if key != "PYINFRA_YES"}
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        return False, "not live: the check itself failed:\n" + done.stderr.strip()[-2000:]
    plan = json.loads(done.stdout)["plan"]
    if not plan:
        return False, "not live: no host was selected"
    waiting = sorted({host for step in plan for host in step["hosts_with_change"]})
    return not waiting, f"not live: changes are pending on {', '.join(waiting)}" if waiting else "the wanted state is live"


if __name__ == "__main__":
    is_live, line = live(sys.argv[1:])
    print(line, file=sys.stderr)
    raise SystemExit(0 if is_live else 1)
