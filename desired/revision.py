"""The digest of what a host runs, per part, computed alike here and in the module (`/etc/supabase/revision`)."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from desired.errors import HostStop

#: Path in the module tree to sha256 (hex) of the content.
Digests = Mapping[str, str]


@dataclass(frozen=True)
class Revision:
    """`module`: our Nix files; `cluster`: host.json; `instances`: each instance's file with its secrets. All sha256 hex."""

    module: str
    cluster: str
    instances: Mapping[str, str]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def instance_files(name: str, secrets: Iterable[str]) -> list[str]:
    """The paths that belong to one instance."""
    return [f"instances/{name}.json", *(f"secrets/{secret}.age" for secret in secrets)]


def revision(digests: Digests, secrets: Mapping[str, Iterable[str]]) -> Revision:
    """`secrets` maps each instance to the names of its secrets. Like the module it leaves out files that are not there."""
    module = [path for path in digests if "/" not in path and path != "host.json"]
    return Revision(
        module=_digest(digests, module),
        cluster=_digest(digests, ["host.json"]),
        instances={name: _digest(digests, instance_files(name, of)) for name, of in sorted(secrets.items())},
    )


def parse(text: str) -> Revision:
    """The content of `/etc/supabase/revision`. Raises HostStop when it is not ours."""
    try:
        value = json.loads(text)
        return Revision(value["module"], value["cluster"], dict(value["instances"]))
    except (ValueError, KeyError, TypeError) as error:
        raise HostStop("/etc/supabase/revision of the running system is not what the module writes") from error


def _digest(digests: Digests, paths: Iterable[str]) -> str:
    return sha256("".join(f"{digests[path]}  {path}\n" for path in sorted(paths) if path in digests).encode())
