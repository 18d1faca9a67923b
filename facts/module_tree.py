"""The module tree on the host: one command, whatever the number of instances."""

import base64
import gzip
import json
import shlex
import zlib
from dataclasses import dataclass

from pyinfra.api.facts import FactBase

from desired.errors import HostStop
from desired.tree import ObservedTree
from facts.script import script_text

#: Characters of a sha256.
_DIGEST = 64


@dataclass(frozen=True)
class TreeOnHost:
    """`real`: where the directory (or its nearest existing parent) really is; `git`: the work tree it is part of."""

    tree: ObservedTree
    real: str
    git: str | None


class ModuleTree(FactBase[TreeOnHost]):
    """Digest of every file, and the contents of host.json and the instance files."""

    def command(self, module_dir: str) -> str:
        return script_text("tree", args=(module_dir,))

    def process(self, output: list[str]) -> TreeOnHost:
        digests: dict[str, str] = {}
        places: dict[str, str] = {}
        for line in output:
            key, _, value = line.partition(" ")
            if len(key) == _DIGEST and value.startswith(" ./"):
                digests[value[3:]] = key
            else:
                places[key] = value
        if "real" not in places:
            raise HostStop(f"the module tree could not be read: {' '.join(output)[:200]}")
        try:
            packed = base64.b64decode(places.get("texts", ""))
            texts = gzip.decompress(packed).decode().split("\n")
            if not packed and (digests or "texts" in places):  # what is packed has an end, even of nothing
                raise ValueError("cut off")
        except (ValueError, OSError, EOFError, zlib.error):
            raise HostStop("the files of the module tree arrived damaged") from None
        documents = {path: _parsed(path, text) for path, text in headed(texts).items()}
        host = documents.pop("host.json", {})
        instances = {path.removeprefix("instances/").removesuffix(".json"): value for path, value in documents.items()}
        return TreeOnHost(ObservedTree(digests, instances, host), places["real"], places.get("git"))


def headed(lines: list[str]) -> dict[str, str]:
    """The documents of `head -v`: a header line `==> PATH <==` before each, an empty line between two."""
    texts: dict[str, list[str]] = {}
    text: list[str] = []
    for line in lines:
        if line.startswith("==> ") and line.endswith(" <=="):
            text = texts.setdefault(line[4:-4], [])
        else:
            text.append(line)
    return {path: "\n".join(text).rstrip("\n") + "\n" for path, text in texts.items()}


def _parsed(path: str, text: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise HostStop(f"{path} on the host is no JSON object; remove it there and run again")
    return found


class FileContents(FactBase[dict[str, str]]):
    """The texts of some files of the tree, for a diff: path to content."""

    def command(self, module_dir: str, paths: list[str]) -> str:
        if not paths:
            return "true"
        return f"cd {shlex.quote(module_dir)} && head -v -n 100000 -- {shlex.join(paths)}"

    @staticmethod
    def default() -> dict[str, str]:
        return {}

    def process(self, output: list[str]) -> dict[str, str]:
        return headed(output)
