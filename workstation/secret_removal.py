"""The secrets of an instance that is deleted: files, sidecars and rules of every generation."""

from collections.abc import Mapping
from pathlib import Path

from desired import names, rules
from desired.changes import Change
from desired.generators import GENERATORS
from desired.sidecar import Sidecar
from workstation import files, journal
from workstation.secret_files import SecretFiles


def changes(store: SecretFiles, instance: str) -> tuple[Change, ...]:
    """What `remove` would do."""
    with store.reading():
        present = store.present()
        found = [Change(instance, "remove", f"{secret}.age") for secret in _secrets(store, instance, present)]
        if _journals(store, instance):
            found.append(Change(instance, "remove", journal.file(instance), "left by an interrupted run"))
        ours = files.read(store.directory / rules.FILE)
        if ours is not None and ours != _rules(ours, _others(instance, present)):
            found.append(Change(None, "update", f"{store.secrets_dir}/{rules.FILE}", "agenix rules"))
    return tuple(found)


def secrets_of(store: SecretFiles, instance: str) -> list[str]:
    """The names of its secrets that the project has."""
    with store.reading():
        return _secrets(store, instance, store.present())


def remove(store: SecretFiles, instance: str) -> None:
    """A sidecar goes after its file: killed between the two, the next run finds what is left by it. Raises SecretStop."""
    with store.writing():
        for path in _journals(store, instance):
            files.remove(path)
        present = store.present()
        for secret in _secrets(store, instance, present):
            files.remove(store.directory / f"{secret}.age")
            files.remove(store.directory / f"{secret}.json")
        ours = files.read(store.directory / rules.FILE)
        if ours is not None and ours != (text := _rules(ours, _others(instance, present))):
            files.write_atomic(store.directory / rules.FILE, text)


def _secrets(store: SecretFiles, instance: str, present: Mapping[str, Sidecar | None]) -> list[str]:
    """Those whose sidecar says so, and those of its own names that have none yet."""
    known = {secret for secret, sidecar in present.items() if sidecar is not None and sidecar.instance == instance}
    usual = [names.secret(instance, kind) + ending for kind in GENERATORS for ending in ("", *names.GENERATIONS)]
    bare = {secret for secret in usual if present.get(secret) is None and (store.directory / f"{secret}.age").exists()}
    return sorted(known | bare)


def _others(instance: str, present: Mapping[str, Sidecar | None]) -> dict[str, Sidecar | None]:
    usual = {names.secret(instance, kind) + ending for kind in GENERATORS for ending in ("", *names.GENERATIONS)}
    return {
        secret: sidecar
        for secret, sidecar in present.items()
        if (secret not in usual if sidecar is None else sidecar.instance != instance)
    }


def _rules(ours: bytes, present: Mapping[str, Sidecar | None]) -> bytes:
    readable = {secret: sidecar.recipients for secret, sidecar in present.items() if sidecar is not None}
    kept = rules.kept(ours.decode("utf-8", "replace"), [secret for secret in present if secret not in readable])
    return rules.text(readable, kept).encode()


def _journals(store: SecretFiles, instance: str) -> list[Path]:
    path = store.directory / journal.file(instance)
    return [found for found in (path, files.temporary_of(path)) if found.exists()]
