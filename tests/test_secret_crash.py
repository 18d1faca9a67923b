"""A run killed at every operation on files: the next one converges, and nothing that was in place is lost."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from desired import rotation, scram, tokens
from desired.instance import OVERLAPPING
from desired.renewal import Renewal
from tests.keys import keypair
from tests.require import WHOLE
from tests.secret_project import SecretProject, forked, quick_directory, secret_project, tree_digest
from workstation import age, clock, lock, slot_file

KILLED = 137
KINDS = ("anon", "db", "dbverifier", "jwt", "service")


@contextmanager
def killed_at(number: int) -> Iterator[None]:
    """In a child process only: end it, without any cleaning up, right before the given operation on files (1 is the first).

    A file that was to be synced is left half-written, as a power cut may leave it.
    """
    count = 0

    def counted(operation: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == number:
                if operation is real["fsync"] and not os.path.isdir(f"/proc/self/fd/{arguments[0]}"):
                    os.ftruncate(arguments[0], os.fstat(arguments[0]).st_size // 2)
                os._exit(KILLED)
            return operation(*arguments, **options)

        return run

    names = ("open", "fsync", "rename", "unlink", "mkdir")
    real = {name: getattr(os, name) for name in names}
    for name in names:
        setattr(os, name, counted(real[name]))
    yield


def kills(
    start: SecretProject, run: Callable[[SecretProject], object], place: Path, every: int = 1
) -> Iterator[SecretProject]:
    """The project after each possible kill of `run`, or every so manieth, a fresh copy each time, until `run` gets through."""
    for number in range(1, 10_000, every):
        path = place / str(number)
        shutil.copytree(start.path, path, ignore=shutil.ignore_patterns(lock.FILE))
        project = replace(start, path=path)

        def doomed(project: SecretProject = project, number: int = number) -> None:
            with killed_at(number):
                run(project)

        status = forked(doomed)
        yield project
        shutil.rmtree(path)
        if status == 0:
            assert number > 20
            return
        assert status == KILLED


def recovered(project: SecretProject, run: Callable[[SecretProject], object]) -> None:
    """The next run, and what must be true after it."""
    before = tree_digest(project.path)
    project.planned()
    assert tree_digest(project.path) == before, "a plan must write nothing"
    run(project)
    assert project.planned() == []
    assert not [name for name in project.files() if name.startswith(".")]
    values = project.values()
    assert {f"supabase-{name}-{kind}" for name in project.names for kind in KINDS} <= values.keys()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    with quick_directory(tmp_path) as path:
        yield path


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> SecretProject:
    return secret_project(tmp_path_factory.mktemp("bare"), "dev", "prod")


@pytest.fixture(scope="module")
def deployed(bare: SecretProject, tmp_path_factory: pytest.TempPathFactory) -> SecretProject:
    path = tmp_path_factory.mktemp("deployed") / "project"
    path.mkdir()
    project = replace(bare, path=path)
    project.deploy()
    return project


def test_a_first_run(bare: SecretProject, place: Path) -> None:
    for project in kills(bare, SecretProject.deploy, place):
        in_place = {name: content for name, content in project.files().items() if name.endswith(".age")}
        assert all(content.endswith(b"-----END AGE ENCRYPTED FILE-----\n") for content in in_place.values())
        recovered(project, SecretProject.deploy)
        assert {name: project.files()[name] for name in in_place} == in_place


def test_a_new_recipient(deployed: SecretProject, place: Path) -> None:
    values = deployed.values()
    changed = replace(deployed, names=("prod",)).with_operators(deployed.operator.public, keypair(place, "colleague").public)
    for project in kills(changed, SecretProject.deploy, place / "kills"):
        assert project.values() == values
        recovered(project, SecretProject.deploy)
        assert project.values() == values


def test_a_renewed_signing_secret(deployed: SecretProject, place: Path) -> None:
    """Whatever was renewed when the run was killed stays so: the run after it only completes."""
    old = deployed.values()
    for project in kills(deployed, lambda project: project.deploy(Renewal(frozenset({"jwt"}))), place):
        in_place = project.values()
        recovered(project, SecretProject.deploy)
        now = project.values()
        assert {name for name in in_place if in_place[name] != old[name]} <= {name for name in now if now[name] == in_place[name]}
        for name in project.names:
            renewed = [now[f"supabase-{name}-{kind}"] != old[f"supabase-{name}-{kind}"] for kind in ("jwt", "anon", "service")]
            assert len(set(renewed)) == 1, "signing secret and keys belong together"
            assert now[f"supabase-{name}-db"] == old[f"supabase-{name}-db"]


def advanced(project: SecretProject) -> None:
    """Whatever stage of a rotation is left, as `supabase-rotate-secrets` does it."""
    (item,) = project.host.instances
    standing = project.store.standings([item])[item.name]
    for stage in rotation.stages(standing, clock.now(), retire_now=False):
        project.deploy(Renewal(stage=stage))


@pytest.mark.parametrize("stage", ["start", "switch", "retire"])
def test_a_stage_of_a_rotation(deployed: SecretProject, place: Path, stage: rotation.Stage) -> None:
    """Nothing that was accepted is lost before its time, and signing secret and keys stay one generation."""
    path = place / "before"
    shutil.copytree(deployed.path, path, ignore=shutil.ignore_patterns(lock.FILE))
    project = replace(deployed, path=path, names=("prod",))
    stages: list[rotation.Stage] = ["start", "switch", "retire"]
    for earlier in stages[: stages.index(stage)]:
        project.deploy(Renewal(stage=earlier))
    old = {name: value for name, value in project.values().items() if name.startswith("supabase-prod-")}
    every = 1 if WHOLE else 5
    for killed in kills(project, lambda project: project.deploy(Renewal(stage=stage)), place / "kills", every):
        if stage != "retire":
            recovered(killed, advanced)
        else:
            recovered(killed, lambda project: project.deploy(Renewal(stage="retire")))
        now = killed.values()
        previous = {kind: now.get(f"supabase-prod-{kind}-previous") for kind in OVERLAPPING}
        current = {kind: now[f"supabase-prod-{kind}"] for kind in OVERLAPPING}
        assert not [name for name in now if name.endswith("-next")]
        if stage == "retire":
            assert set(previous.values()) == {None}
            assert all(current[kind] == old[f"supabase-prod-{kind}"] for kind in OVERLAPPING)
            continue
        assert previous == {kind: old[f"supabase-prod-{kind}"] for kind in OVERLAPPING}
        if stage == "switch":
            assert current == {kind: old[f"supabase-prod-{kind}-next"] for kind in OVERLAPPING}
        for generation in (current, previous):
            secret, anon, service = (str(generation[kind]) for kind in OVERLAPPING)
            for token, role in ((anon, "anon"), (service, "service_role")):
                assert tokens.fault(token, secret, role, clock.now()) is None
        assert now["supabase-prod-db"] != old["supabase-prod-db"]
        assert scram.matches(now["supabase-prod-dbverifier"], now["supabase-prod-db"].split(":")[2].split("@")[0])


def test_an_adoption(deployed: SecretProject, place: Path) -> None:
    path = place / "edited"
    shutil.copytree(deployed.path, path, ignore=shutil.ignore_patterns(lock.FILE))
    edited = replace(deployed, path=path)
    url = "postgresql://supabase_prod:a-password-of-mine@localhost:5432/supabase_prod\n"
    (edited.directory / "supabase-prod-db.age").write_bytes(age.encrypt(url.encode(), edited.host.recipients))
    for project in kills(edited, lambda project: project.adopt("prod"), place / "kills"):
        assert forked(partial(project.adopt, "prod")) == 0
        assert project.planned() == []
        assert not [name for name in project.files() if name.startswith(".")]
        assert scram.matches(project.values()["supabase-prod-dbverifier"], "a-password-of-mine")


def test_the_slot_file(place: Path) -> None:
    first = {"server": {"prod": 0}}
    for number in range(1, 100):
        path = place / str(number)
        path.mkdir()
        assert forked(partial(slot_file.claim, path, first)) == 0

        def doomed(path: Path = path, number: int = number) -> None:
            with killed_at(number):
                slot_file.claim(path, {"server": {"dev": 1}})

        status = forked(doomed)
        assert slot_file.read(path) in (first, {"server": {"prod": 0, "dev": 1}})
        assert forked(partial(slot_file.claim, path, {"server": {"dev": 1}})) == 0
        assert slot_file.read(path) == {"server": {"prod": 0, "dev": 1}}
        assert sorted(os.listdir(path)) == [lock.FILE, "slots.json"]
        if status == 0:
            assert number > 5
            return
        assert status == KILLED
    pytest.fail("the claim never got through")
