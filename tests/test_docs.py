"""What the docs say of names that the code defines."""

import json
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from desired.model import DatabaseData, HostData, InstanceData, ServicesData, StorageData
from tests.project import ROOT

INSTANCES = (ROOT / "docs/instances.md").read_text(encoding="utf-8")


def fields(model: type[BaseModel], prefix: str = "") -> list[str]:
    return [prefix + name for name in model.model_fields]


@pytest.mark.parametrize(
    "key",
    [
        *fields(HostData),
        *(name for name in fields(InstanceData) if name not in ("database", "storage", "services")),
        *fields(DatabaseData, "database."),
        *fields(StorageData, "storage."),
        *fields(ServicesData, "services."),
    ],
)
def test_every_key_is_documented(key: str) -> None:
    assert f"`{key}`" in INSTANCES


@pytest.mark.parametrize("key", [key for key, item in HostData.model_fields.items() if not item.is_required()])
def test_documented_defaults_are_the_real_ones(key: str) -> None:
    row = next(line for line in INSTANCES.splitlines() if line.startswith(f"| `{key}`"))
    default = HostData.model_fields[key].default
    assert (json.dumps(default) if key == "system" else str(default)) in row


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), target


def test_recipes_named_in_the_docs_exist() -> None:
    recipes = re.findall(r"^([a-z][a-z-]*)[^:\n]*:(?!=)", (ROOT / "justfile").read_text(encoding="utf-8"), re.MULTILINE)
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for recipe in re.findall(r"`just ([a-z-]+)", page.read_text(encoding="utf-8")):
            assert recipe in recipes, f"{page.name}: just {recipe}"
