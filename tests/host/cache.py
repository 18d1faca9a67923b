"""Where the test hosts live on this machine, and the scripts beside this file that make and end them."""

import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent


class MachineError(Exception):
    """A machine did not start, did not come back, or a checked command ended non-zero."""


def cache_dir() -> Path:
    """Layers, login key and the running machines' state: $TESTHOST_DIR, by default supabase-testhost in the user's cache."""
    if named := os.environ.get("TESTHOST_DIR"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "supabase-testhost"


def script(name: str, *args: str, env: dict[str, str] | None = None) -> str:
    """Standard output of a script; MachineError with its standard error if it fails."""
    done = subprocess.run(
        [str(HERE / name), *args],
        check=False,
        env=os.environ | {"TESTHOST_DIR": str(cache_dir())} | (env or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
    )
    if done.returncode != 0:
        raise MachineError(f"{name} {' '.join(args)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def started(pid: int) -> str | None:
    """A process' start time, which tells it from a later process of the same id; None if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return None


def reap() -> None:
    """Stops the machines whose owner (the process that started them) ended without stopping them."""
    for owner in (cache_dir() / "run").glob("*/owner"):
        try:
            pid, start = owner.read_text().split()
        except (OSError, ValueError):
            continue
        if started(int(pid)) != start:
            script("down.sh", owner.parent.name)


def missing() -> str | None:
    """Why no machine can be started here, as far as can be told without trying; None if nothing speaks against it."""
    if os.geteuid() != 0:
        return "test hosts need root"
    for program, package in {
        "systemd-nspawn": "systemd-container",
        "ip": "iproute2",
        "ssh": "openssh-client",
    }.items():
        if not shutil.which(program):
            return f"test hosts need {program} (Debian package {package})"
    if any(cache_dir().glob("layer-*/.used")):
        return None
    for program in ("mmdebstrap", "npm"):
        if not shutil.which(program):
            return f"{cache_dir()} holds no test host, and {program} to build one is not there"
    sources = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)"],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if "TESTHOST_MIRROR" not in os.environ and "/debian/" not in sources.stdout:
        return "apt's configuration names no Debian mirror, and TESTHOST_MIRROR is not set"
    return None
