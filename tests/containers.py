"""Services whose images cannot be had here, on a test host: podman's place is taken, and a directory stands for an image."""

import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests import npm
from tests.host import Machine

HERE = Path(__file__).with_name("clients")
#: realtime comes to its database as the real one does, and leaves what the run looks for: a table of migrations.
_REALTIME = """psql -XAtqw -v ON_ERROR_STOP=1 -h "$DB_HOST" -p "$DB_PORT" -U "$DB_USER" -d "$DB_NAME" <<'SQL'
CREATE TABLE IF NOT EXISTS realtime.schema_migrations AS SELECT 1 AS version;
SQL
exec /opt/node /opt/images/realtime/realtime.mjs"""


@dataclass(frozen=True)
class Image:
    """`run`: shell text that starts the program; `files`: what stands beside it, by name."""

    name: str
    run: str
    files: tuple[Path, ...]


def realtime() -> Image:
    """A stand-in that speaks to clients."""
    return Image("realtime", _REALTIME, (HERE / "realtime.mjs", npm.modules("supabase-js") / "node_modules"))


def storage() -> Image:
    """A stand-in that keeps objects in memory."""
    return Image("storage", "exec /opt/node /opt/images/storage/storage.mjs", (HERE / "storage.mjs",))


def meta() -> Image:
    """The real postgres-meta."""
    program = "node_modules/@supabase/postgres-meta/dist/server/server.js"
    return Image("pgmeta", f"exec /opt/node /opt/images/pgmeta/{program}", (npm.modules("postgres-meta") / "node_modules",))


def install(machine: Machine, images: Iterable[Image]) -> None:
    """Before the first converge: podman, the Node that runs the programs, and what stands for the images."""
    root = Path(f"/proc/{machine.guest.init()}/root")
    (root / "opt/images").mkdir(parents=True)
    shutil.copy(npm.node(), root / "opt/node")
    shutil.copy(HERE / "podman.sh", root / "usr/local/bin/podman")
    (root / "usr/local/bin/podman").chmod(0o755)
    for image in images:
        place = root / "opt/images" / image.name
        place.mkdir()
        for source in image.files:
            subprocess.run(["cp", "-rL", str(source), str(place / source.name)], check=True)
        (place / "run").write_text(f"#!/bin/sh\nset -eu\n{image.run}\n")
        (place / "run").chmod(0o755)
