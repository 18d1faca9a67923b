"""The rules files of the agenix CLI in the secrets directory: ours is written, the user's never touched."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from desired import rules
from desired.changes import Change
from workstation import files


@dataclass(frozen=True)
class RulesPlan:
    """`hint`: a line to print when the user's own secrets.nix does not take our rules in yet."""

    changes: tuple[Change, ...]
    hint: str | None


def plan(directory: Path, shown: str, wanted: Mapping[str, Sequence[str]], gone: Iterable[str] = ()) -> RulesPlan:
    """What `write` would change so that every wanted secret (name to recipients) has its rule, and those that go, or are gone
    since a run was killed, have none."""
    changes = []
    ours = files.read(directory / rules.FILE)
    present = (ours or b"").decode("utf-8", "replace")
    lines = set(present.splitlines())
    lacking = not all(rules.line(secret, recipients) in lines for secret, recipients in wanted.items())
    there = set(os.listdir(directory)) if directory.is_dir() else set()
    left = {name for name in rules.named(present) if not {f"{name}.age", f"{name}.json"} & there} | set(gone)
    if lacking or left.difference(wanted).intersection(rules.named(present)):
        changes.append(Change(None, "create" if ours is None else "update", f"{shown}/{rules.FILE}", "agenix rules"))
    user = files.read(directory / rules.USER_FILE)
    if user is None and wanted:
        changes.append(Change(None, "create", f"{shown}/{rules.USER_FILE}", "agenix rules"))
    hint = None
    if user is not None and not rules.imported(user.decode("utf-8", "replace")):
        hint = f"{shown}/{rules.USER_FILE}: add `{rules.HINT}` at its end, so that the agenix CLI knows these secrets"
    return RulesPlan(tuple(changes), hint)


def write(directory: Path, recipients: Mapping[str, Sequence[str]], unreadable: Iterable[str]) -> None:
    """Our rules, secret name to recipients, and a first secrets.nix when there is none. Raises OSError.

    A secret whose sidecar is `unreadable` keeps the rule it has: another instance's damage is not this run's business.
    """
    ours = files.read(directory / rules.FILE)
    kept = rules.kept((ours or b"").decode("utf-8", "replace"), unreadable)
    text = rules.text(recipients, kept).encode()
    if ours != text:
        files.write_atomic(directory / rules.FILE, text)
    if files.read(directory / rules.USER_FILE) is None:
        files.write_atomic(directory / rules.USER_FILE, rules.FIRST_USER_FILE.encode())
