"""The module tree on a host, read by the real scripts from real directories."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired.errors import HostStop
from desired.instance import json_text
from desired.revision import sha256
from facts.module_tree import FileContents, ModuleTree, TreeOnHost, headed
from tests.trees import two, wanted
from workstation.templates import module_files

HOST = two()
TREE = wanted(HOST, module=module_files())


def shell(command: str) -> list[str]:
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout.splitlines()


def read(directory: Path) -> TreeOnHost:
    return ModuleTree().process(shell(ModuleTree().command(str(directory))))


def write(directory: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A complete module tree, in a directory whose name the shell must not read."""
    directory = tmp_path / "it's a $(tree)"
    write(directory, {path: content or b"" for path, content in TREE.files.items()})
    return directory


def test_what_was_written_is_read(tree: Path) -> None:
    found = read(tree)
    assert found.tree.digests == TREE.digests()
    assert found.tree.revision() == TREE.revision()
    assert found.tree.host == HOST.option()
    assert found.tree.instances == {item.name: item.option for item in HOST.instances}
    assert (found.real, found.git) == (str(tree), None)


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    found = read(tmp_path / "not/yet/there")
    assert (found.tree.digests, found.tree.instances, found.tree.host) == ({}, {}, {})
    assert found.real == str(tmp_path), "where it would be made"


def test_an_empty_directory(tmp_path: Path) -> None:
    assert read(tmp_path).tree.digests == {}


def test_links_and_work_trees_are_followed(tree: Path, tmp_path: Path) -> None:
    (tree.parent / ".git").mkdir()
    (tmp_path / "link").symlink_to(tree)
    found = read(tmp_path / "link")
    assert (found.real, found.git) == (str(tree), str(tree.parent))
    assert found.tree.digests == TREE.digests()


def test_a_killed_upload_is_not_part_of_the_tree(tree: Path) -> None:
    write(tree, {".supabase-Ab12/default.nix": b"half"})
    assert read(tree).tree.digests == TREE.digests()


def test_instances_only(tmp_path: Path) -> None:
    """A single document has its header too."""
    write(tmp_path, {"instances/x.json": b'{"slot": 1}'})
    assert read(tmp_path).tree.instances == {"x": {"slot": 1}}


def test_the_number_of_commands_does_not_grow(tmp_path: Path) -> None:
    names = [f"i{number}" for number in range(600)]
    write(tmp_path, {f"instances/{name}.json": json_text({"slot": 0, "secrets": [name]}) for name in names})
    assert set(read(tmp_path).tree.instances) == set(names)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"text"', b"5", b"null"])
@pytest.mark.parametrize("file", ["host.json", "instances/dev.json"])
def test_a_file_that_is_no_document(tree: Path, file: str, content: bytes) -> None:
    write(tree, {file: content})
    with pytest.raises(HostStop, match=f"^{file} on the host is no JSON object; remove it there and run again$"):
        read(tree)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (["permission denied"], "the module tree could not be read"),
        ([f"{64 * '0'}  ./default.nix"], "the module tree could not be read"),
        (["texts H4sI"], "the module tree could not be read"),
        (["real /x", f"{64 * '0'}  ./default.nix"], "the files of the module tree arrived damaged"),
        (["real /x", "texts "], "the files of the module tree arrived damaged"),
        (["real /x", "texts H4sI"], "the files of the module tree arrived damaged"),
        (["real /x", "texts H"], "the files of the module tree arrived damaged"),
        (["real /x", "texts H4sIAAAAAAAAA0vLz1dIyk/lAgCXhgQlCAAAAA=="], "the files of the module tree arrived damaged"),
    ],
)
def test_output_that_is_not_ours(output: list[str], said: str) -> None:
    with pytest.raises(HostStop, match=said):
        ModuleTree().process(output)


def test_texts_for_a_diff(tree: Path) -> None:
    paths = ["default.nix", "instances/dev.json", "__rest.nix"]
    found = FileContents().process(shell(FileContents().command(str(tree), paths)))
    assert found == {path: (TREE.files[path] or b"").decode() for path in paths}
    assert FileContents().process(shell(FileContents().command(str(tree), []))) == FileContents.default() == {}


names = st.from_regex(r"[a-z]{1,5}\.nix", fullmatch=True)
texts = st.lists(st.from_regex(r"[a-z={}; ]{0,9}[a-z]", fullmatch=True), min_size=1)


@given(st.dictionaries(names, texts, max_size=4))
def test_headed(documents: dict[str, list[str]]) -> None:
    output: list[str] = []
    for path, lines in documents.items():
        output += [*([""] if output else []), f"==> {path} <==", *lines]
    assert headed(output) == {path: "\n".join(lines) + "\n" for path, lines in documents.items()}


def test_digests_are_of_the_content(tmp_path: Path) -> None:
    write(tmp_path, {"default.nix": b"\0\xff"})
    assert read(tmp_path).tree.digests == {"default.nix": sha256(b"\0\xff")}
