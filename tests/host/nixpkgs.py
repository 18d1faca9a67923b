"""nixpkgs' own lib and agenix' own module, where this machine has them: they can replace the miniature ones of a test host."""

import os
from pathlib import Path

CHANNELS = Path.home() / ".nix-defexpr" / "channels"


def _candidates(name: str) -> list[Path]:
    """Directories that NIX_PATH or the channels give for <name>."""
    entries = [entry.partition("=") for entry in os.environ.get("NIX_PATH", "").split(":")]
    named = [Path(path) for key, equals, path in entries if equals and key == name]
    return [*named, *(Path(path) / name for _, equals, path in entries if not equals), CHANNELS / name]


def nixpkgs_lib() -> Path | None:
    """nixpkgs' lib directory; None if it is not on this machine. A channel `nixpkgs-lib` holds just that part."""
    trees = [*_candidates("nixpkgs"), *_candidates("nixpkgs-lib")]
    return next((tree / "lib" for tree in trees if (tree / "lib" / "modules.nix").is_file()), None)


def agenix() -> Path | None:
    """agenix' tree; None if it is not on this machine."""
    return next((tree for tree in _candidates("agenix") if (tree / "modules" / "age.nix").is_file()), None)
