"""docs/options.md is what the module's options say, and has every one that a real evaluation knows."""

from pathlib import Path
from typing import Any

from tests.nix.evaluation import Lab, available, instance, needs
from tests.nix.options import PAGE, options, page


def test_the_reference_is_up_to_date() -> None:
    needs("nix-instantiate")
    assert PAGE.read_text(encoding="utf-8") == page(options()), "run `just docs`"


def test_the_reference_is_whole(tmp_path: Path) -> None:
    """What an evaluation with nixpkgs' lib (or the miniature) gives an instance, it describes, and nothing else."""
    needs("nix-instantiate")
    lab = Lab(tmp_path)
    lab.host()
    smtp = {"host": "mail.example.org", "sender": "a@example.org", "user": None}
    s3 = {"endpoint": "https://s3.example.org", "region": "x", "bucket": "files"}
    plain = instance("prod", 0, "full")
    values = {"services": {**plain["services"], "imgproxy": False}, "secrets": [*plain["secrets"], "supabase-prod-s3backend"]}
    lab.put("prod", {**plain, **values, "smtp": smtp, "storage": {"backend": "s3", "s3": s3}})
    found = lab.evaluate(available())
    assert found["failed"] == []
    prefix = "instances.<name>."
    described = {item["name"].removeprefix(prefix) for item in options() if item["name"].startswith(prefix)}
    assert leaves(found["instances"]["prod"], described) == described


def leaves(values: dict[str, Any], known: set[str], prefix: str = "") -> set[str]:
    """The options in a configuration: sets of options are entered, values of free names are not."""
    found = set()
    for name, value in values.items():
        path = f"{prefix}{name}"
        inner = isinstance(value, dict) and any(other.startswith(f"{path}.") for other in known)
        if inner:
            found |= leaves(value, known, f"{path}.")
        if not inner or path in known:
            found.add(path)
    return found


def test_every_option_says_what_it_is() -> None:
    needs("nix-instantiate")
    for item in options():
        assert item["type"], item["name"]
        assert item["description"].strip().endswith("."), item["name"]
