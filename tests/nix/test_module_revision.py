"""The revision and the source a built system carries."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.nix.evaluation import Json, Lab, Library


def revision(tree: Path) -> Json:
    """The contract: a digest of the module, of the cluster, of each instance with its secrets."""

    def digest(files: list[str]) -> str:
        lines = (f"{hashlib.sha256((tree / f).read_bytes()).hexdigest()}  {f}\n" for f in sorted(files))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    return {
        "cluster": digest(["host.json"]),
        "instances": {
            path.stem: digest([f"instances/{path.name}", *(f"secrets/{s}.age" for s in json.loads(path.read_bytes())["secrets"])])
            for path in (tree / "instances").glob("*.json")
        },
        "module": digest([p.name for p in tree.iterdir() if p.is_file() and p.name != "host.json"]),
    }


def test_revision(lab: Lab, library: Library) -> None:
    """The built system says what it was built from, as the workstation computes it."""
    text = lab.evaluate(library)["system"]["revision"]
    assert text == json.dumps(revision(lab.tree), sort_keys=True, separators=(",", ":"))


@pytest.mark.parametrize(
    ("file", "part"),
    [
        ("host.json", ["cluster"]),
        ("default.nix", ["module"]),
        ("numbers.json", ["module"]),
        ("instances/dev.json", ["instances", "dev"]),
        ("secrets/supabase-dev-db.age", ["instances", "dev"]),
        ("secrets/unlisted.age", []),
    ],
)
def test_revision_of_a_change(lab: Lab, library: Library, file: str, part: list[str]) -> None:
    """A file belongs to one part."""

    def leaves(value: Json, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], str]:
        found: dict[tuple[str, ...], str] = {}
        for key, below in value.items():
            found |= leaves(below, (*path, key)) if isinstance(below, dict) else {(*path, key): below}
        return found

    before = leaves(json.loads(lab.evaluate(library)["system"]["revision"]))
    with (lab.tree / file).open("a") as opened:
        opened.write("\n")
    after = leaves(json.loads(lab.evaluate(library)["system"]["revision"]))
    assert [list(key) for key in before if before[key] != after[key]] == ([part] if part else [])


def test_source_is_the_whole_tree(lab: Lab, library: Library) -> None:
    """What the way back restores is what was sent."""
    source = Path(lab.evaluate(library)["system"]["etc"]["supabase/source"])
    held = {str(p.relative_to(source)): p.read_bytes() for p in source.rglob("*") if p.is_file()}
    assert held == {str(p.relative_to(lab.tree)): p.read_bytes() for p in lab.tree.rglob("*") if p.is_file()}
