"""The digest of what a host runs. That the module computes the same is in tests/nix/test_module_revision.py."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired.errors import HostStop
from desired.revision import Revision, instance_files, parse, revision, sha256

contents = st.binary(max_size=4)
#: A small module tree: path to content, and the secrets of its instances.
MODULE = ("default.nix", "__rest.nix", "numbers.json")
SECRETS = {"prod": ("a", "b"), "dev": ("c",)}
PATHS = (*MODULE, "host.json", "instances/dev.json", "instances/prod.json", *(f"secrets/{name}.age" for name in "abcd"))
trees = st.fixed_dictionaries(dict.fromkeys(PATHS, contents))


def digests(tree: dict[str, bytes]) -> dict[str, str]:
    return {path: sha256(content) for path, content in tree.items()}


def independently(tree: dict[str, bytes], paths: list[str]) -> str:
    """What `sha256sum | sha256sum` would give."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(hashlib.sha256(tree[path]).hexdigest().encode() + b"  " + path.encode() + b"\n")
    return total.hexdigest()


@given(trees)
def test_the_contract(tree: dict[str, bytes]) -> None:
    assert revision(digests(tree), SECRETS) == Revision(
        module=independently(tree, list(MODULE)),
        cluster=independently(tree, ["host.json"]),
        instances={
            "dev": independently(tree, ["instances/dev.json", "secrets/c.age"]),
            "prod": independently(tree, ["instances/prod.json", "secrets/a.age", "secrets/b.age"]),
        },
    )


@given(trees, st.permutations(PATHS))
def test_order_decides_nothing(tree: dict[str, bytes], order: list[str]) -> None:
    shuffled = {path: tree[path] for path in order}
    turned = {name: tuple(reversed(of)) for name, of in reversed(SECRETS.items())}
    assert revision(digests(shuffled), turned) == revision(digests(tree), SECRETS)


@given(trees, st.sampled_from(PATHS), contents)
def test_a_changed_file_changes_exactly_its_part(tree: dict[str, bytes], path: str, content: bytes) -> None:
    before, after = revision(digests(tree), SECRETS), revision(digests({**tree, path: content}), SECRETS)
    changed = {part for part in ("module", "cluster") if getattr(before, part) != getattr(after, part)}
    changed |= {name for name in SECRETS if before.instances[name] != after.instances[name]}
    owners = {name: name for name in SECRETS if path in instance_files(name, SECRETS[name])}
    part = "cluster" if path == "host.json" else "module" if path in MODULE else next(iter(owners), None)
    assert changed == ({part} if part and content != tree[path] else set())


@given(trees, st.sampled_from(PATHS))
def test_a_missing_file_is_left_out_as_in_the_module(tree: dict[str, bytes], path: str) -> None:
    rest = {other: content for other, content in tree.items() if other != path}
    changed = revision(digests(rest), SECRETS) != revision(digests(tree), SECRETS)
    assert changed == (path != "secrets/d.age")


def test_instance_files() -> None:
    assert instance_files("prod", ("b", "a")) == ["instances/prod.json", "secrets/b.age", "secrets/a.age"]


@given(trees)
def test_what_the_module_writes_is_read(tree: dict[str, bytes]) -> None:
    value = revision(digests(tree), SECRETS)
    text = json.dumps(vars(value), sort_keys=True, separators=(",", ":"))
    assert parse(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        '"x"',
        "5",
        "{}",
        '{"module":"a","cluster":"b"}',
        '{"module":"a","cluster":"b","instances":null}',
        '{"module":"a","cluster":"b","instances":5}',
        '{"module":"a","cluster":"b","instances":["ab", 5]}',
    ],
)
def test_what_is_not_ours_stops(text: str) -> None:
    with pytest.raises(HostStop, match="/etc/supabase/revision of the running system is not what the module writes"):
        parse(text)
