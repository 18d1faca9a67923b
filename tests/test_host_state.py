"""What a host says of itself, and whether that calls for a rebuild."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from desired.errors import HostStop
from desired.host_state import NEEDED_TOOLS, HostState, check_targeted, parse_state, rebuild_reasons, require_nixos, same
from desired.revision import Revision
from desired.tree import ObservedTree, Tree
from facts.host_state import RunningSystem
from tests.trees import MODULE, NOTHING, on_host, revision, two, wanted
from workstation.templates import host_script

HOST = two()
TREE = wanted(HOST)
WANTED = TREE.revision()
#: What a system carried before dev was changed, and one with an instance that group_data does not name.
BEFORE = revision(TREE, dev="0" * 64)
WITH_ORPHAN = revision(TREE, old="1" * 64)
FOREIGN = revision(TREE, dev="f" * 64)
BARE = parse_state(["nixos yes", "running /nix/store/x-system"])
UNFINISHED = "an unfinished run"
UNSEEN = "health has not been seen on it yet"


def text(value: Revision) -> str:
    return json.dumps(vars(value), sort_keys=True, separators=(",", ":"))


def state(running: Revision | None, confirmed: Revision | None, *, armed: bool = False) -> HostState:
    return replace(BARE, revision=running, confirmed_revision=confirmed, armed="now by me" if armed else None)


@pytest.mark.parametrize(
    ("found", "reasons"),
    [
        (state(None, None), ["the running system has no Supabase module"]),
        (state(None, None, armed=True), ["the running system has no Supabase module", UNFINISHED]),
        (state(None, WANTED), ["the running system has no Supabase module"]),
        (state(WANTED, WANTED), []),
        (state(WITH_ORPHAN, WITH_ORPHAN), []),
        (state(WANTED, None), [UNSEEN]),
        (state(WANTED, BEFORE), [UNSEEN]),
        (state(WANTED, WITH_ORPHAN), [UNSEEN]),
        (state(WANTED, WANTED, armed=True), [UNFINISHED]),
        (state(WANTED, BEFORE, armed=True), [UNFINISHED]),
        (state(BEFORE, BEFORE), ["instances dev"]),
        (state(BEFORE, BEFORE, armed=True), ["instances dev", UNFINISHED]),
        (state(BEFORE, WANTED, armed=True), ["instances dev", UNFINISHED]),
        (state(FOREIGN, BEFORE, armed=True), ["instances dev", UNFINISHED]),
        (state(replace(WANTED, instances={}), replace(WANTED, instances={})), ["instances dev, prod"]),
        (state(replace(WANTED, module="x"), replace(WANTED, module="x")), ["the module"]),
        (state(replace(WANTED, cluster="x"), replace(WANTED, cluster="x")), ["host.json"]),
        (
            state(replace(BEFORE, module="x", cluster="x"), replace(BEFORE, module="x", cluster="x")),
            ["the module", "host.json", "instances dev"],
        ),
    ],
)
def test_rebuild_reasons(found: HostState, reasons: list[str]) -> None:
    assert list(rebuild_reasons(found, TREE)) == reasons


@pytest.mark.parametrize("confirmed", [None, BEFORE, WANTED])
@pytest.mark.parametrize(
    "running", [FOREIGN, replace(WANTED, module="x"), replace(WANTED, cluster="x"), replace(WANTED, instances={})]
)
def test_somebody_else_deploys_this_host(running: Revision, confirmed: Revision | None) -> None:
    """Neither wanted nor confirmed, and no run is under way."""
    with pytest.raises(HostStop, match="somebody deploys it from elsewhere"):
        rebuild_reasons(state(running, confirmed), TREE)


def test_a_pending_secret_calls_for_a_rebuild() -> None:
    pending = wanted(HOST, secrets={"supabase-dev-jwt": None})
    assert rebuild_reasons(state(WANTED, WANTED), pending) == ("instances dev",)


def test_a_targeted_run_looks_at_its_instance_only() -> None:
    assert rebuild_reasons(state(BEFORE, BEFORE), wanted(HOST, "prod")) == ()
    assert rebuild_reasons(state(BEFORE, BEFORE), wanted(HOST, "dev")) == ("instances dev",)


WITHOUT_OLD = replace(wanted(HOST, "prod"), removed=frozenset({"old"}))
NEWER = replace(WITH_ORPHAN, module="x")


@pytest.mark.parametrize(
    ("found", "reasons"),
    [
        (state(WITH_ORPHAN, WITH_ORPHAN), ["removal of old"]),
        (state(WITH_ORPHAN, WITH_ORPHAN, armed=True), ["removal of old", UNFINISHED]),
        (state(WANTED, WITH_ORPHAN, armed=True), [UNFINISHED]),
        (state(WANTED, WITH_ORPHAN), [UNSEEN]),
        (state(WANTED, WANTED), []),
        # What else differs is left to a converge: nothing of it is in the running system.
        (state(replace(WANTED, module="x"), replace(WANTED, module="x")), []),
        (state(None, None), []),
        (state(NEWER, NEWER), ["the module", "removal of old"]),
    ],
)
def test_a_removal_calls_for_a_rebuild_while_the_instance_runs(found: HostState, reasons: list[str]) -> None:
    assert list(rebuild_reasons(found, WITHOUT_OLD)) == reasons


def test_same() -> None:
    assert not same(WITH_ORPHAN, WANTED, frozenset({"old"}))
    assert same(WANTED, WANTED, frozenset({"old"}))
    assert same(WITH_ORPHAN, WANTED)
    assert not same(WANTED, WITH_ORPHAN)
    assert not same(None, WANTED)


NEW_MODULE = wanted(HOST, "prod", module={**MODULE, "default.nix": b"new"})
NEW_CAPACITY = wanted(two(capacity=11), "prod")
NEW_PROD = wanted(HOST, "prod", secrets={"supabase-prod-jwt": None})
HALF = "the host runs {0} and has no file of it; if it is being deleted, finish that with `just supabase-delete {0}`"
OTHER = "the files of {} on the host are not what it runs"
ROOT = "the module's files on the host are not what it runs"


@pytest.mark.parametrize(
    ("running", "tree", "there", "why"),
    [
        (WANTED, wanted(HOST, "prod"), on_host(TREE), None),
        (WANTED, NEW_PROD, on_host(TREE), None),
        (WANTED, wanted(HOST, "prod"), on_host(TREE, **{"secrets/supabase-prod-jwt.age": "edited"}), None),
        (BEFORE, wanted(HOST, "dev"), on_host(TREE), None),
        (replace(WANTED, instances={"dev": WANTED.instances["dev"]}), wanted(HOST, "prod"), on_host(wanted(HOST, "dev")), None),
        (None, wanted(HOST, "prod"), NOTHING, "the host has not been converged yet"),
        (None, wanted(HOST, "prod"), on_host(TREE), "the host has not been converged yet"),
        (WANTED, NEW_MODULE, on_host(TREE), "the module or the host's settings have changed"),
        (WANTED, NEW_CAPACITY, on_host(TREE), "the module or the host's settings have changed"),
        (WANTED, wanted(HOST, "prod"), on_host(TREE, **{"default.nix": "edited"}), ROOT),
        (WANTED, wanted(HOST, "prod"), on_host(TREE, **{"__old.nix": "x"}), ROOT),
        (WANTED, wanted(HOST, "prod"), on_host(TREE, "host.json"), ROOT),
        (WANTED, wanted(HOST, "prod"), NOTHING, ROOT),
        (BEFORE, wanted(HOST, "prod"), on_host(TREE), OTHER.format("dev")),
        (WANTED, wanted(HOST, "prod"), on_host(TREE, "secrets/supabase-dev-jwt.age"), OTHER.format("dev")),
        (WANTED, wanted(HOST, "prod"), on_host(TREE, "instances/dev.json"), HALF.format("dev")),
        (WITH_ORPHAN, wanted(HOST, "prod"), on_host(TREE), HALF.format("old")),
    ],
)
def test_check_targeted(running: Revision | None, tree: Tree, there: ObservedTree, why: str | None) -> None:
    name = next(iter(tree.secrets))
    if why is None:
        check_targeted(name, state(running, running), tree, there)
        return
    with pytest.raises(HostStop) as caught:
        check_targeted(name, state(running, running), tree, there)
    assert str(caught.value) == f"cannot limit this run to {name}: {why}; run a full converge first (without --data instance)"


def test_require_nixos() -> None:
    good = replace(BARE, tools=frozenset(NEEDED_TOOLS))
    require_nixos("server", good)
    for wrong in (parse_state([]), replace(good, nixos=False), replace(good, running=None)):
        with pytest.raises(HostStop, match="server is not a NixOS host"):
            require_nixos("server", wrong)
    with pytest.raises(HostStop, match="server: not found on the host: flock, curl; add the packages to environment"):
        require_nixos("server", replace(good, tools=frozenset({"nixos-rebuild", "runuser"})))


def test_a_host_that_answers_everything() -> None:
    """Lines as observe.sh prints them; what stands in a note of a person decides nothing."""
    lines = [
        "nixos yes",
        *(f"tool {tool}" for tool in ("git", *NEEDED_TOOLS)),
        "running /nix/store/b-system",
        "profile /nix/store/a-system",
        "confirmed /nix/store/a-system",
        f"revision {text(WANTED)}",
        f"confirmed_revision {text(BEFORE)}",
        "epoch 7",
        "armed 2026-01-01T00:00:00Z by somebody on a host",
        "returned 2026-01-01T00:00:00Z health was not seen: dev answers",
        "running elsewhere",
        "ready dev",
        "ready prod",
        "supabase-prod.service loaded active running Supabase prod: gateway",
        "supabase-dev-rest.service loaded activating start start Supabase dev: REST",
        "supabase-cut.service",
        "",
        "something new",
    ]
    assert parse_state(lines) == HostState(
        nixos=True,
        tools=frozenset({"git", *NEEDED_TOOLS}),
        running="/nix/store/b-system",
        profile="/nix/store/a-system",
        confirmed="/nix/store/a-system",
        revision=WANTED,
        confirmed_revision=BEFORE,
        epoch="7",
        armed="2026-01-01T00:00:00Z by somebody on a host",
        returned="2026-01-01T00:00:00Z health was not seen: dev answers",
        ready=frozenset({"dev", "prod"}),
        units={"supabase-prod.service": "active", "supabase-dev-rest.service": "activating"},
    )


def test_a_silent_host() -> None:
    empty = parse_state([])
    assert empty == RunningSystem.default()
    assert (empty.nixos, empty.running, empty.revision, empty.armed, empty.epoch) == (False, None, None, None, "")


def test_a_revision_that_is_not_ours_stops() -> None:
    with pytest.raises(HostStop):
        parse_state(["revision {}"])


def observed_here(root: Path, programs: Mapping[str, str]) -> HostState:
    """The real script on this machine, its fixed paths moved below `root`."""
    script = host_script("observe")
    for path in ("/var/lib/supabase", "/etc/NIXOS", "/run/current-system", "/nix/var/nix/profiles/system"):
        assert path in script
        script = script.replace(path, f"{root}{path}")
    (root / "bin").mkdir()
    for name, program in programs.items():
        (root / "bin" / name).write_text(f"#!/bin/sh\n{program}\n")
        (root / "bin" / name).chmod(0o755)
    path = f"{root}/bin:{os.environ['PATH']}"
    done = subprocess.run(["sh", "-c", script, "observe"], env={"PATH": path}, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return RunningSystem().process(done.stdout.splitlines())


def test_the_script_on_a_machine_that_is_no_host(tmp_path: Path) -> None:
    """Nothing is there: nothing is said, and nothing fails."""
    found = observed_here(tmp_path, {"systemctl": "exit 1"})
    assert replace(found, tools=frozenset()) == parse_state([])


def test_the_script_on_a_host(tmp_path: Path) -> None:
    systems = {"b": WANTED, "a": BEFORE}
    for name, carried in systems.items():
        (tmp_path / f"store/{name}/etc/supabase").mkdir(parents=True)
        (tmp_path / f"store/{name}/etc/supabase/revision").write_text(text(carried))
    links = {"run/current-system": "b", "nix/var/nix/profiles/system": "a", "var/lib/supabase/confirmed": "a"}
    for link, target in links.items():
        (tmp_path / link).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / link).symlink_to(tmp_path / "store" / target)
    here = {"etc/NIXOS": "", "var/lib/supabase/epoch": "7\n", "var/lib/supabase/way-back/since": "now by me\n"}
    here |= {"var/lib/supabase/prod/database-ready": "", "var/lib/supabase/returned": "then because\n"}
    for file, content in here.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(content)
    (tmp_path / "var/lib/supabase/dev").mkdir()
    # As `systemctl list-units --plain --no-legend` of systemd 257 prints it.
    failed = "supabase-dev.service loaded failed failed Supabase instance dev: gateway"
    running = "supabase-prod.service loaded active running Supabase instance prod: gateway"
    systemctl = f"echo '{failed}'; echo '{running}'"
    found = observed_here(tmp_path, {"systemctl": systemctl, **dict.fromkeys(NEEDED_TOOLS, "")})
    require_nixos("server", found)
    assert replace(found, tools=frozenset()) == HostState(
        nixos=True,
        tools=frozenset(),
        running=str(tmp_path / "store/b"),
        profile=str(tmp_path / "store/a"),
        confirmed=str(tmp_path / "store/a"),
        revision=WANTED,
        confirmed_revision=BEFORE,
        epoch="7",
        armed="now by me",
        returned="then because",
        ready=frozenset({"prod"}),
        units={"supabase-prod.service": "active", "supabase-dev.service": "failed"},
    )
