"""Module trees as a run wants them, and as a host has them."""

import json
from collections.abc import Mapping
from typing import Any

from desired.estate import Host
from desired.instance import Instance
from desired.revision import Revision
from desired.tree import ObservedTree, Tree, wanted_tree
from tests.estates import host

MODULE = {"default.nix": b"{ }", "__rest-conf.nix": b"rest", "numbers.json": b"{}"}


def two(**data: Any) -> Host:
    """A host with prod and dev."""
    return host({"prod": {}, "dev": {}}, **data)


def wanted(of: Host, *names: str, module: Mapping[str, bytes] = MODULE, secrets: Mapping[str, bytes | None] = {}) -> Tree:
    """The tree of some instances, by default all; a secret's ciphertext is its name, if not given."""
    instances: tuple[Instance, ...] = tuple(item for item in of.instances if item.name in (names or {item.name}))
    return wanted_tree(of, instances, module, lambda secret: secrets.get(secret, secret.encode()))


def on_host(tree: Tree, *without: str, **more: str) -> ObservedTree:
    """A host that has these files, but for some, and more of a given digest."""
    texts = {path: content or b"" for path, content in tree.files.items() if path.startswith(("instances/", "host.json"))}
    documents = {path: json.loads(content) for path, content in texts.items()}
    present = {path: digest for path, digest in tree.digests().items() if path not in without}
    return ObservedTree(
        {**present, **more},
        {path[10:-5]: value for path, value in documents.items() if path.startswith("instances/") and path not in without},
        documents["host.json"] if "host.json" not in without else {},
    )


NOTHING = ObservedTree({}, {}, {})


def revision(tree: Tree, **instances: str) -> Revision:
    """The revision of a tree, some instances' digests replaced or added."""
    found = tree.revision()
    return Revision(found.module, found.cluster, {**found.instances, **instances})
