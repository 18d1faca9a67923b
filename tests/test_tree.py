import json

import pytest

from desired.errors import HostStop, SlotStop
from desired.revision import sha256
from desired.tree import ObservedTree, check_slots, difference
from tests.trees import MODULE, NOTHING, on_host, two, wanted
from workstation.templates import module_files

HOST = two()
TREE = wanted(HOST)
ALL = tuple(sorted(TREE.files))
PROD = tuple(path for path in ALL if "prod" in path)
SECRET = "secrets/supabase-dev-jwt.age"
#: The secrets of profile full, the default.
KINDS = ("anon", "dashboard", "db", "dbverifier", "jwt", "meta", "realtime", "s3", "service")


def test_the_files_of_a_whole_run() -> None:
    assert {path for path in ALL if "/" not in path} == {*MODULE, "host.json"}
    assert [path for path in ALL if path.startswith("instances/")] == ["instances/dev.json", "instances/prod.json"]
    assert {path for path in ALL if path.startswith("secrets/")} == {
        f"secrets/supabase-{name}-{kind}.age" for name in ("dev", "prod") for kind in KINDS
    }
    assert json.loads(TREE.files["host.json"] or b"") == HOST.option()
    assert json.loads(TREE.files["instances/prod.json"] or b"") == HOST.instances[1].option


def test_the_files_of_a_targeted_run() -> None:
    assert set(wanted(HOST, "prod").files) == {*PROD, *MODULE, "host.json"}


@pytest.mark.parametrize(
    ("names", "observed", "whole", "changes"),
    [
        ((), NOTHING, True, [f"create file {path}" for path in ALL]),
        ((), on_host(TREE), True, []),
        ((), on_host(TREE, SECRET), True, [f"create file {SECRET}"]),
        ((), on_host(TREE, **{SECRET: "edited"}), True, [f"update file {SECRET}"]),
        ((), on_host(TREE, "host.json", **{"default.nix": "edited"}), True, ["update file default.nix", "create file host.json"]),
        (
            (),
            on_host(TREE, **{"__old-part.nix": "x", "instances/old.json": "x", "secrets/old.age": "x"}),
            True,
            ["remove file __old-part.nix"],
        ),
        (("prod",), NOTHING, False, [f"create file {path}" for path in ALL if "dev" not in path]),
        (("prod",), on_host(TREE), False, []),
        (("prod",), on_host(TREE, **{SECRET: "edited", "__old.nix": "x"}), False, []),
        (("prod",), on_host(TREE, *PROD), False, [f"create file {path}" for path in PROD]),
    ],
)
def test_difference(names: tuple[str, ...], observed: ObservedTree, whole: bool, changes: list[str]) -> None:
    """Instance files and secrets are never removed: an orphan's stay."""
    found = difference(wanted(HOST, *names), observed, whole=whole)
    assert [str(change) for change in found.changes()] == changes


def test_changes_belong_to_their_instance() -> None:
    found = {change.what: change.instance for change in difference(TREE, NOTHING, whole=True).changes()}
    assert found["file secrets/supabase-prod-jwt.age"] == "prod"
    assert found["file instances/dev.json"] == "dev"
    assert found["file host.json"] is found["file default.nix"] is None


def test_a_pending_secret_differs_from_everything() -> None:
    """Also from an empty file."""
    pending = wanted(HOST, secrets={"supabase-dev-jwt": None})
    for there in (on_host(TREE), on_host(TREE, **{SECRET: sha256(b"")})):
        found = difference(pending, there, whole=True)
        assert (found.write, found.created) == ((SECRET,), frozenset())
        assert pending.revision() != there.revision()
        assert pending.revision().instances["prod"] == there.revision().instances["prod"]


@pytest.mark.parametrize("path", ["configuration.nix", "default.nix~", ".gitignore", "__Part.nix", "numbers.yaml"])
@pytest.mark.parametrize("whole", [True, False])
def test_a_foreign_file_of_the_root_stops(path: str, whole: bool) -> None:
    """It would be part of the module's revision on the host, which then never is the wanted one."""
    with pytest.raises(HostStop, match=r": not a file of the module; move it out of the module's directory"):
        difference(TREE, on_host(TREE, **{path: "x"}), whole=whole)


def test_every_file_we_send_is_known_as_ours() -> None:
    """A later version that no longer has one removes it, and does not take it for somebody else's."""
    module = module_files()
    assert "default.nix" in module
    found = difference(TREE, on_host(wanted(HOST, module=module)), whole=True)
    assert set(found.remove) == set(module) - set(MODULE)


def test_the_revision_of_what_is_on_the_host() -> None:
    assert on_host(TREE).revision() == TREE.revision()
    assert on_host(TREE, SECRET).revision().instances["dev"] != TREE.revision().instances["dev"]
    by_hand = ObservedTree({"instances/x.json": "1"}, {"x": {"slot": 1}}, {})
    assert by_hand.revision().instances["x"] == sha256(b"1  instances/x.json\n"), "one without `secrets`, as the module has it"


def observed(**slots: int) -> ObservedTree:
    return ObservedTree({}, {name: {"slot": slot} for name, slot in slots.items()}, {})


def test_slots_that_agree() -> None:
    for there in (NOTHING, observed(dev=0, prod=1), observed(dev=0), observed(dev=0, prod=1, old=2)):
        check_slots(HOST, there)


@pytest.mark.parametrize(
    ("there", "message"),
    [
        (
            observed(dev=5),
            "instance dev: server holds slot 5, slots.json says 0; a slot is for life: put 5 into slots.json, or restore the "
            "file from version control",
        ),
        (
            observed(old=1),
            'instance prod: slots.json gives it slot 1, which old holds on server; add "old": 1 to slots.json and remove the '
            "entry of prod",
        ),
        (observed(dev=1, prod=0), "instance dev: server holds slot 1, slots.json says 0"),
        (ObservedTree({}, {"dev": {}}, {}), "instance dev: server holds slot None, slots.json says 0"),
    ],
)
def test_slots_that_disagree(there: ObservedTree, message: str) -> None:
    with pytest.raises(SlotStop) as caught:
        check_slots(HOST, there)
    assert str(caught.value).startswith(message)
