"""The files this project sends: read from templates/, whole and unchanged."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from desired.images import Image

_ROOT = Path(__file__).parent.parent / "templates"


@cache
def module_files() -> dict[str, bytes]:
    """The static part of the module tree: path to content. An editor's leftovers are none of it."""
    root = _ROOT / "modules/supabase"
    return {path.name: path.read_bytes() for path in sorted([*root.glob("*.nix"), *root.glob("*.json")])}


@cache
def images() -> Mapping[str, Image]:
    """Of the services that run from them."""
    text = (_ROOT / "modules/supabase/images.json").read_text(encoding="utf-8")
    return {service: Image(service, **image) for service, image in json.loads(text).items()}


@cache
def image_references() -> tuple[str, ...]:
    """Every image there is, by digest."""
    return tuple(image.image for image in images().values())


@cache
def host_script(*names: str) -> str:
    """The text of one host script, after the ones it builds on."""
    return "".join((_ROOT / "host" / f"{name}.sh").read_text(encoding="utf-8") for name in names)
