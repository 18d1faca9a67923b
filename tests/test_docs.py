"""What the docs say of names that the code defines."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from desired.model import HostData, InstanceData
from desired.profiles import PROFILES, Name
from tests.project import ROOT

INSTANCES = (ROOT / "docs/instances.md").read_text(encoding="utf-8")
#: Keys that stand for one key per service.
_PER_SERVICE = ("environment", "secret_environment")


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every key down to the values; a dictionary that may be missing is a value too."""
    for name, item in model.model_fields.items():
        inner = next((of for of in (item.annotation, *get_args(item.annotation)) if hasattr(of, "model_fields")), None)
        if name in _PER_SERVICE:
            yield f"{name}.<service>", item
        elif inner is None:
            yield prefix + name, item
        else:
            yield from [(prefix + name, item)] if item.default is None else []
            yield from fields(inner, f"{prefix}{name}.")


KEYS = dict(fields(InstanceData))


@pytest.mark.parametrize("key", [*dict(fields(HostData)), *KEYS])
def test_every_key_is_documented(key: str) -> None:
    assert f"`{key}`" in INSTANCES


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_are_documented(name: Name) -> None:
    profile = PROFILES[name]
    assert re.search(rf"^\| `{name}` \|.*\| {profile.memory} \| {profile.tasks} \|$", INSTANCES, re.MULTILINE)


@pytest.mark.parametrize("key", [key for key, item in HostData.model_fields.items() if not item.is_required()])
def test_documented_defaults_are_the_real_ones(key: str) -> None:
    row = next(line for line in INSTANCES.splitlines() if line.startswith(f"| `{key}`"))
    default = HostData.model_fields[key].default
    assert (json.dumps(default) if key == "system" else str(default)) in row


@pytest.mark.parametrize("key", [key for key, item in KEYS.items() if type(item.default) in (bool, int, str)])
def test_documented_defaults_of_an_instance_are_the_real_ones(key: str) -> None:
    """Where the default is a value, not a rule."""
    row = next(line for line in INSTANCES.splitlines() if f"`{key}`" in line.partition(" | ")[0])
    assert str(KEYS[key].default) in row.split("|")[2]


def test_what_nobody_has_run_is_named_with_its_option() -> None:
    """Every option that says so of itself, and no other that is not there."""
    limits = (ROOT / "docs/limits.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_]+\.[a-z_]+) = ", limits))
    assert named <= KEYS.keys()
    unseen = {re.findall(r"`([^`]+)`", line)[0] for line in INSTANCES.splitlines() if "with the real program" in line}
    assert unseen
    assert unseen <= named


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)#]+)", text):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), target


def test_recipes_named_in_the_docs_exist() -> None:
    recipes = re.findall(r"^([a-z][a-z-]*)[^:\n]*:(?!=)", (ROOT / "justfile").read_text(encoding="utf-8"), re.MULTILINE)
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for recipe in re.findall(r"`just ([a-z-]+)", page.read_text(encoding="utf-8")):
            assert recipe in recipes, f"{page.name}: just {recipe}"
