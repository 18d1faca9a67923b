"""The module tree: every file a host should have under its `module_dir`, and the way from what is there to it."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from desired.changes import Change, Verb
from desired.errors import HostStop, SlotStop
from desired.estate import Host
from desired.instance import Instance, json_text
from desired.revision import Digests, Revision, instance_files, revision, sha256

#: Stands for the digest of content that is not known yet.
PENDING = "pending"
#: Root files of the tree that an earlier version of the module may have left behind.
_OURS = re.compile(r"__[a-z_-]+\.nix|default\.nix|instance\.nix|secrets\.nix|(numbers|host|images)\.json")


@dataclass(frozen=True)
class Tree:
    """Path to content. None stands for a secret that this run has yet to make: different from whatever is there.

    `removed`: instances that the host is not to have any more."""

    files: Mapping[str, bytes | None]
    secrets: Mapping[str, tuple[str, ...]]
    removed: frozenset[str] = frozenset()

    def revision(self) -> Revision:
        """While a secret is pending, its instance's digest is one that no host can have."""
        return revision(self.digests(), self.secrets)

    def digests(self) -> dict[str, str]:
        return {path: PENDING if content is None else sha256(content) for path, content in self.files.items()}


@dataclass(frozen=True)
class ObservedTree:
    """`digests` of the files there, `instances`: the parsed instances/*.json, `host`: the parsed host.json."""

    digests: Digests
    instances: Mapping[str, Mapping[str, Any]]
    host: Mapping[str, Any]

    def revision(self) -> Revision:
        """What a system built from these files would carry."""
        return revision(self.digests, {name: value.get("secrets", ()) for name, value in self.instances.items()})


def wanted_tree(
    host: Host, instances: Iterable[Instance], module: Mapping[str, bytes], ciphertext: Callable[[str], bytes | None]
) -> Tree:
    """What a run for `instances` may write. `module`: the static files; `ciphertext` gives a secret's .age content, or
    None while it is pending."""
    files: dict[str, bytes | None] = {**module, "host.json": json_text(host.option())}
    secrets = {}
    for instance in instances:
        secrets[instance.name] = tuple(sorted(instance.all_secrets))
        files[f"instances/{instance.name}.json"] = instance.file
        for secret in secrets[instance.name]:
            files[f"secrets/{secret}.age"] = ciphertext(secret)
    return Tree(files, secrets)


def check_slots(host: Host, observed: ObservedTree) -> None:
    """Raise SlotStop when the host's instance files name other slots than the slot file."""
    here = {instance.name: instance.slot for instance in host.instances}
    for name, value in observed.instances.items():
        if name in here and value.get("slot") != here[name]:
            raise SlotStop(
                f"instance {name}: {host.name} holds slot {value.get('slot')}, slots.json says {here[name]}; "
                f"a slot is for life: put {value.get('slot')} into slots.json, or restore the file from version control"
            )
        other = next((mine for mine, slot in here.items() if slot == value.get("slot")), None)
        if other is not None and other not in observed.instances:
            raise SlotStop(
                f"instance {other}: slots.json gives it slot {here[other]}, which {name} holds on {host.name}; "
                f'add "{name}": {value.get("slot")} to slots.json and remove the entry of {other}'
            )


@dataclass(frozen=True)
class FileChanges:
    """Paths to write and to remove, sorted. `owner`: the instance that a path belongs to."""

    write: tuple[str, ...]
    remove: tuple[str, ...]
    created: frozenset[str]
    owner: Mapping[str, str]

    def changes(self) -> tuple[Change, ...]:
        def change(path: str, verb: Verb) -> Change:
            return Change(self.owner.get(path), verb, f"file {path}")

        written = [change(path, "create" if path in self.created else "update") for path in self.write]
        return (*written, *(change(path, "remove") for path in self.remove))


def difference(wanted: Tree, observed: ObservedTree, *, whole: bool) -> FileChanges:
    """What to write and remove. `whole` is False for a run on one instance, which removes nothing of others.

    Raises HostStop when a file stands in the tree's root that is not ours: Nix would read it as a part of the module.
    """
    write = tuple(path for path, digest in sorted(wanted.digests().items()) if observed.digests.get(path) != digest)
    dropped = dict(_dropped(wanted, observed))
    surplus = tuple(path for path in sorted(observed.digests) if "/" not in path and path not in wanted.files)
    foreign = [path for path in surplus if not _OURS.fullmatch(path)]
    if foreign:
        raise HostStop(f"{', '.join(foreign)}: not a file of the module; move it out of the module's directory")
    owner = {path: name for name, secrets in wanted.secrets.items() for path in instance_files(name, secrets)}
    remove = (*(surplus if whole else ()), *sorted(dropped))
    return FileChanges(write, remove, frozenset(write) - observed.digests.keys(), owner | dropped)


def after(wanted: Tree, observed: ObservedTree) -> ObservedTree:
    """The tree once a run has brought `wanted` there."""
    documents = {path: json.loads(content) for path, content in wanted.files.items() if content and path.endswith(".json")}
    instances = {name: documents[f"instances/{name}.json"] for name in wanted.secrets}
    digests = {**observed.digests, **wanted.digests()}
    gone = dict(_dropped(wanted, observed))
    left = {path: digest for path, digest in digests.items() if path not in gone}
    stay = {name: option for name, option in observed.instances.items() if name not in wanted.removed}
    return ObservedTree(left, {**stay, **instances}, documents.get("host.json", observed.host))


def _dropped(wanted: Tree, observed: ObservedTree) -> Iterator[tuple[str, str]]:
    """The files of secrets that an instance there has and no longer wants, with its name."""
    for name, secrets in wanted.secrets.items():
        for secret in observed.instances.get(name, {}).get("secrets", ()):
            if secret not in secrets and f"secrets/{secret}.age" in observed.digests:
                yield f"secrets/{secret}.age", name
