"""Evaluates the NixOS module with a real Nix: a module tree on disk, a private store, the result as data."""

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]
MODULE = REPOSITORY / "templates/modules/supabase"
MINI = REPOSITORY / "tests/host/mini"

#: Debian keeps nginx where only root's PATH leads.
SEARCH = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/local/bin:/usr/sbin:/lib/systemd"

#: The programs the units name, by package.
PROGRAMS = {
    "age": "bin/age",
    "gotrue-supabase": "bin/auth",
    "imgproxy": "bin/imgproxy",
    "iproute2": "bin/ip",
    "nginx": "bin/nginx",
    "podman": "bin/podman",
    "postgrest": "bin/postgrest",
    "systemd": "lib/systemd/systemd-socket-proxyd",
}

Json = dict[str, Any]


@dataclass(frozen=True)
class Library:
    """What a host evaluates with: a `lib` and agenix' module."""

    name: str
    lib: Path
    agenix: Path


def channels() -> list[Path]:
    """Directories where Nix users have their channels: ~/.nix-defexpr and the paths of NIX_PATH."""
    found = sorted((Path.home() / ".nix-defexpr/channels").glob("*/"))
    for entry in os.environ.get("NIX_PATH", "").split(":"):
        path = Path(entry.rpartition("=")[2])
        if path.is_absolute():
            found += [path, *sorted(path.glob("*/"))]
    return found


def nixpkgs() -> Library | None:
    """nixpkgs' lib and agenix' module, when both are on this machine."""
    lib = next((c / "lib" for c in channels() if (c / "lib/systems/parse.nix").exists()), None)
    agenix = next((c / "modules/age.nix" for c in channels() if (c / "modules/age.nix").exists()), None)
    return Library("nixpkgs", lib, agenix) if lib and agenix else None


MINIATURE = Library("miniature", MINI / "lib", MINI / "agenix/modules/age.nix")


class EvaluationError(Exception):
    """Nix ended the evaluation: its message."""


def available() -> Library:
    """One of them that is here, for what does not depend on the library."""
    return nixpkgs() or MINIATURE


def needs(*programs: str) -> None:
    """Skips without one of the programs; fails where the tests must run (SUPABASE_REQUIRE=1)."""
    missing = [p for p in programs if not shutil.which(p, path=SEARCH)]
    if missing:
        give_up = pytest.fail if os.environ.get("SUPABASE_REQUIRE") == "1" else pytest.skip
        give_up(f"needs {', '.join(missing)}")


#: What each profile adds to the one before: services, and the kinds of secrets these need.
PROFILES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "api": (("restApi",), ("anon", "db", "dbverifier", "jwt", "service")),
    "app": (("auth", "imgproxy", "storage"), ("s3",)),
    "full": (("meta", "realtime", "studio"), ("dashboard", "meta", "realtime")),
}
LIMITS = {"api": (512, 256), "app": (1024, 512), "full": (2048, 1024)}


def instance(name: str, slot: int, profile: str = "api", **changes: Any) -> Json:
    """The content of instances/<name>.json with every default, changed at the top level."""
    smaller = list(PROFILES)[: list(PROFILES).index(profile) + 1]
    kinds = [kind for each in smaller for kind in PROFILES[each][1]]
    on = {service for each in smaller for service in PROFILES[each][0]}
    memory, tasks = LIMITS[profile]
    return {
        "anonKey": f"supabase-{name}-anon",
        "auth": {
            "autoconfirm": False,
            "databaseSocket": True,
            "disableSignup": False,
            "jwtExpiry": 3600,
            "redirectUrls": [],
            "siteUrl": None,
        },
        "database": {"createDatabase": True, "name": f"supabase_{name}", "user": f"supabase_{name}"},
        "databaseUrl": f"supabase-{name}-db",
        "enable": True,
        "environment": {},
        "jwtSecret": f"supabase-{name}-jwt",
        "limits": {"memory": memory, "tasks": tasks},
        "logLevel": "info",
        "port": 8000 + slot,
        "profile": profile,
        "realtime": {"maxConcurrentUsers": 200, "superuser": False},
        "secretEnvironment": {},
        "secrets": sorted(f"supabase-{name}-{kind}" for kind in kinds),
        "serviceKey": f"supabase-{name}-service",
        "services": {service: service in on for added, _ in PROFILES.values() for service in added},
        "slot": slot,
        "smtp": None,
        "storage": {
            "backend": "file",
            "bucket": "supabase-storage",
            "enable": "storage" in on,
            "fileSizeLimit": 52428800,
            "s3": None,
        },
        "subdomain": f"supabase-{name}",
    } | changes


@dataclass
class Lab:
    """A host's module tree and configuration below one directory."""

    directory: Path
    tree: Path = field(init=False)

    def __post_init__(self) -> None:
        """Copies the module and makes the programs its units name."""
        self.tree = self.directory / "tree"
        self.tree.mkdir(parents=True)
        for file in MODULE.iterdir():
            if file.is_file():
                shutil.copy(file, self.tree)
        programs = self.directory / "programs"
        for package, program in PROGRAMS.items():
            path = programs / package / program
            path.parent.mkdir(parents=True)
            # A program that is not here is only named, never run.
            path.symlink_to(shutil.which(path.name, path=SEARCH) or "/bin/true")
        for package in ("coreutils", "bash"):
            (programs / package).mkdir()
            (programs / package / "bin").symlink_to("/bin")

    def host(self, **values: Any) -> None:
        """Writes host.json."""
        self._write("host.json", {"capacity": 10, "domain": "example.org", "edge": "none"} | values)

    def put(self, name: str, content: Mapping[str, Any], secrets: Iterable[str] | None = None) -> None:
        """Writes an instance file and, by default, a file for each of its secrets."""
        self._write(f"instances/{name}.json", content)
        for secret in content["secrets"] if secrets is None else secrets:
            if not secret.startswith("/"):
                self.secret(secret, f"ciphertext of {secret}")

    def secret(self, name: str, ciphertext: str) -> None:
        """Writes a .age file."""
        path = self.tree / f"secrets/{name}.age"
        path.parent.mkdir(exist_ok=True)
        path.write_text(ciphertext, encoding="utf-8")

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        path = self.tree / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")

    def evaluate(
        self,
        library: Library,
        configuration: str = "{ }",
        *,
        modules: Iterable[str] = ("default.nix",),
        agenix: bool = True,
        identity: Path = Path("/etc/ssh/ssh_host_ed25519_key"),
    ) -> Json:
        """What tests/nix/eval.nix gives. Raises EvaluationError when Nix does not accept the configuration."""
        (self.directory / "configuration.nix").write_text(configuration, encoding="utf-8")
        arguments = {
            "lib": str(library.lib),
            "agenix": str(library.agenix) if agenix else "null",
            "modules": "[ " + " ".join(str(self.tree / m) for m in modules) + " ]",
            "configuration": str(self.directory / "configuration.nix"),
            "programs": str(self.directory / "programs"),
            "identity": json.dumps(str(identity)),
        }
        ran = subprocess.run(
            ["nix-instantiate", "--eval", "--strict", "--json", "--read-write-mode", str(Path(__file__).with_name("eval.nix"))]
            + [word for name, value in arguments.items() for word in ("--arg", name, value)],
            env=os.environ | self._store(),
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode:
            raise EvaluationError(ran.stderr)
        result: Json = json.loads(ran.stdout)
        self._executable()
        return result

    @property
    def store(self) -> Path:
        """The private Nix store: nothing is written to the machine's own."""
        return self.directory / "nix/store"

    def _store(self) -> dict[str, str]:
        nix = self.directory / "nix"
        return {"NIX_STORE_DIR": str(self.store), "NIX_STATE_DIR": str(nix / "var"), "NIX_LOG_DIR": str(nix / "log")}

    def _executable(self) -> None:
        """Scripts are plain store files here: gives them the mode a build would."""
        for path in self.store.iterdir():
            if path.is_file() and path.read_bytes().startswith(b"#!"):
                path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
