"""A group of files that must change together: written to one journal first, so that a killed run is completed by the next.

The journal's own rename is the moment of decision. Before it nothing has happened; after it every file of the group can
be written from the journal, as often as it takes. It holds only what the files hold: ciphertext and public text, and the
digest of what each file was before, so that a file a person has changed since is never written over.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from desired.errors import SecretStop
from desired.instance import json_text
from desired.sidecar import digest
from workstation import files


def file(instance: str) -> str:
    """Each instance has a journal of its own, so that a run for one never has to finish what was begun for another."""
    return f".pending-{instance}.json"


#: File name to content, None for a file that goes.
Group = Mapping[str, bytes | None]


def pending(directory: Path, instance: str) -> dict[str, bytes | None]:
    """The group that a killed run decided on; {} when there is none.

    Raises SecretStop when the journal is damaged, or a file of the group was changed by somebody else since.
    """
    path = directory / file(instance)
    content = files.read(path)
    if content is None:
        return {}
    try:
        group = {name: (entry["old"], _content(entry["new"])) for name, entry in json.loads(content).items()}
    except (ValueError, AttributeError, KeyError, TypeError):
        raise SecretStop(
            f"{path} is damaged: it holds the secrets a run was writing when it was killed; restore it from a backup, or "
            "remove it and see what the next run says"
        ) from None
    for name, (old, new) in group.items():
        present = files.read(directory / name)
        if present != new and old != (None if present is None else digest(present)):
            raise SecretStop(
                f"{directory / name} was changed after a run that was writing it had been killed: remove {path} to keep the "
                "file as it is now, or restore the file from git to have the killed run completed"
            )
    return {name: new for name, (_, new) in group.items()}


def undecided(directory: Path, instance: str) -> bool:
    """Whether a run was killed while it still wrote its journal: nothing had happened, only that file is left."""
    return os.path.lexists(files.temporary_of(directory / file(instance)))


def _content(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


def write(directory: Path, instance: str, group: Group) -> None:
    """Put every file of the group in place, all or none as far as any later reader of `pending` can tell.

    Raises OSError; whatever was decided by then is completed by `complete`.
    """
    entries = {}
    for name, content in group.items():
        present = files.read(directory / name)
        entries[name] = {
            "new": None if content is None else content.decode(),
            "old": None if present is None else digest(present),
        }
    files.write_atomic(directory / file(instance), json_text(entries))
    complete(directory, instance)


def complete(directory: Path, instance: str) -> None:
    """Write what a killed run left undone, if any, and clear up after it. The caller holds the project lock."""
    files.remove(files.temporary_of(directory / file(instance)))
    group = pending(directory, instance)
    for name, content in sorted(group.items()):
        if content is None:
            files.remove(directory / name)
        elif files.read(directory / name) != content:
            files.write_atomic(directory / name, content)
    if group:
        # A name that was already right may not be on the disk yet: the journal goes only after the directory is.
        files.sync_directory(directory)
        files.remove(directory / file(instance))
