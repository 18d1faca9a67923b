"""docs/options.md from the module's own options:  python -m tests.nix.options"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.nix.evaluation import MODULE, REPOSITORY, SEARCH

PAGE = REPOSITORY / "docs/options.md"
_INSTANCE = "instances.<name>."
_HEAD = """\
# The options of the Nix module

Made from the module by `just docs`; do not edit. All of them stand below `constellation.supabase`.

A run writes `host.json` and `instances/*.json` from [group_data](instances.md), and the module takes them as defaults:
nothing here has to be set. A definition in your own configuration overrides single values, or adds an instance that no run
knows of; its secrets and its database are then yours to make.
"""
#: Heading of a group of an instance's options; those without a dot are sorted by what they hold.
_GROUPS = {
    "": "An instance",
    "services": "What it serves",
    "database": "Its database",
    "auth": "Users and sessions",
    "smtp": "Mail",
    "storage": "Files",
    "realtime": "Realtime",
    "limits": "Limits",
    "secret": "Its secrets",
}

Option = dict[str, Any]


def options() -> list[Option]:
    """Every option as `options.nix` tells it. Raises CalledProcessError."""
    command = ["nix-instantiate", "--eval", "--strict", "--json", str(Path(__file__).with_name("options.nix"))]
    environment = {**os.environ, "PATH": SEARCH, "NIX_STATE_DIR": "/nonexistent", "NIX_REMOTE": "dummy://"}
    told = subprocess.run([*command, "--arg", "module", str(MODULE)], env=environment, capture_output=True, check=True)
    found: list[Option] = json.loads(told.stdout)
    return found


def page(found: list[Option]) -> str:
    """The whole page."""
    lines = [_HEAD, "## The host", "", *_table("", [item for item in found if not item["name"].startswith(_INSTANCE)])]
    mine = [item for item in found if item["name"].startswith(_INSTANCE)]
    for group, heading in _GROUPS.items():
        prefix = f"`{_INSTANCE}…`: " if group == "" else ""
        lines += ["", f"## {heading}", "", *([f"{prefix}the options of one instance.", ""] if prefix else [])]
        lines += _table(_INSTANCE, [item for item in mine if _group(item) == group])
    return "\n".join([*lines, ""])


def _group(option: Option) -> str:
    name, dot, _ = option["name"].removeprefix(_INSTANCE).partition(".")
    if dot or name in _GROUPS:
        return str(name)
    return "secret" if "agenix secret" in option["type"] and name != "secretEnvironment" else ""


def _table(prefix: str, found: list[Option]) -> Iterator[str]:
    yield "| option | type | default | |"
    yield "|---|---|---|---|"
    for item in found:
        default = "required" if item["default"] is None else _code(item["default"])
        example = f" Example: {_code(item['example'])}." if item["example"] else ""
        text = " ".join(item["description"].split()) + example
        yield f"| `{item['name'].removeprefix(prefix)}` | {_plain(item['type'])} | {default} | {text.replace('|', '&#124;')} |"


def _code(text: str) -> str:
    return f"`{text.replace('|', '&#124;')}`"


def _plain(text: str) -> str:
    """Of a type, whose patterns are not Markdown."""
    words, _, pattern = text.partition("matching ")
    return f"{words}matching {_code(pattern)}" if pattern else text


if __name__ == "__main__":
    PAGE.write_text(page(options()), encoding="utf-8")
