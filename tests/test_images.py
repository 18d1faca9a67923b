"""Images: which are needed, and that a host has them before it switches to what runs from them. podman is a stand-in."""

import json
import re
from pathlib import Path

import pytest

from desired.images import Image, needed, pulls
from facts.images import Images
from tests import podman
from tests.host import Machine
from tests.lab import Lab, bare
from tests.project import ROOT
from workstation.templates import image_references, images

FILE = ROOT / "templates/modules/supabase/images.json"
STORAGE, META = images()["storage"], images()["meta"]
PULL = f"host: pull image storage {STORAGE.version}"


def option(*services: str, enable: bool = True) -> dict[str, object]:
    return {"enable": enable, "services": {name: name in services for name in ("restApi", *images())}}


def test_the_file() -> None:
    """One line a service: a reference by digest, whose tag is the version."""
    text = FILE.read_text()
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"
    assert set(images()) == {"meta", "realtime", "storage", "studio"}
    for image in images().values():
        assert re.fullmatch(rf"[a-z0-9.-]+(/[a-z0-9-]+)+:{re.escape(image.version)}-r\d+@sha256:[0-9a-f]{{64}}", image.image)
    # A host asks for them, and a container looks for them, with tag and digest: no shell sees anything in them.
    assert not re.search(r"[\s'\"$]", "".join(image_references()))


def test_needed() -> None:
    some = {name: Image(name, f"{name}@sha256:0", "v1") for name in ("storage", "meta", "studio")}
    assert needed([], some) == ()
    assert needed([option("restApi")], some) == ()
    assert needed([option("storage", enable=False)], some) == ()
    assert needed([option("storage"), option("storage", "meta")], some) == (some["meta"], some["storage"])


def test_pulls() -> None:
    some = (Image("meta", "m@sha256:0", "v1"), Image("storage", "s@sha256:0", "v2"))
    assert [str(change) for change in pulls(some, ())] == ["pull image meta v1", "pull image storage v2"]
    assert [str(change) for change in pulls(some, {"m@sha256:0", "other@sha256:0"})] == ["pull image storage v2"]
    # another digest of the same version is another image
    assert pulls(some, {"m@sha256:0", "s@sha256:0"}) == ()


def test_the_fact() -> None:
    fact = Images()
    assert fact.process(["image a@sha256:0", "Error: x", "image b@sha256:1"]) == {"a@sha256:0", "b@sha256:1"}
    assert fact.default() == frozenset()
    assert "podman image exists" in fact.command(image_references())


@pytest.fixture(scope="module")
def lab(shared_machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Prod and dev with the REST API alone; prod is about to get storage."""
    podman.stand_in(shared_machine)
    made = bare(shared_machine, tmp_path_factory.mktemp("lab"))
    run = made.project.converge()
    assert run.status == 0, run.output
    assert not run.of("pull")
    assert not podman.calls(shared_machine, "pull")
    made.change("prod", services={"storage": True, "imgproxy": False})
    return made


def test_no_way_to_the_registry(lab: Lab) -> None:
    """Nothing is armed, nothing switched, the module tree is as it was; the message says what to do."""
    before = lab.standing()
    lab.machine.run(f"touch {podman.STATE}/offline")
    with lab.traffic() as prod:
        run = lab.project.converge()
    lab.machine.run(f"rm {podman.STATE}/offline")
    assert run.status != 0
    assert "no such host" in run.output
    assert f"image {STORAGE.image} could not be pulled; see above. Give the host a way to its registry" in run.output
    assert "its module tree is restored" in run.output
    assert "armed" not in run.output
    assert not lab.armed()
    assert lab.standing() == before
    assert set(prod) == {"200"}
    podman.calls(lab.machine, "pull")


def test_pulled_before_the_switch(lab: Lab) -> None:
    """Once, by digest, as announced; the container itself never pulls, and storage serves."""
    dry = lab.project.dry()
    assert dry.of("pull") == {PULL}
    assert not podman.calls(lab.machine, "pull"), "a dry run pulls nothing"
    run = lab.project.converge()
    assert run.status == 0, run.output
    assert run.of("pull") == dry.of("pull")
    assert set(run.changes) == set(dry.changes)
    log = lab.machine.run(f"cat {podman.STATE}/calls").stdout.splitlines()
    assert podman.calls(lab.machine, "pull") == [STORAGE.image]
    assert log.index(f"pull {STORAGE.image}") < log.index(f"run never {STORAGE.image}")
    assert podman.images(lab.machine) == {STORAGE.image}
    again = lab.project.converge()
    assert again.unchanged, again.output
    assert not podman.calls(lab.machine, "pull")


def test_what_is_there_is_not_announced(lab: Lab) -> None:
    """A second instance with the same service needs no pull; one more service does."""
    lab.change("dev", services={"storage": True, "imgproxy": False, "meta": True})
    dry, run = lab.project.dry(), lab.project.converge()
    assert run.status == 0, run.output
    assert run.of("pull") == dry.of("pull") == {f"host: pull image meta {META.version}"}
    assert podman.calls(lab.machine, "pull") == [META.image]


def test_an_image_that_was_pruned_comes_back_without_a_switch(lab: Lab) -> None:
    before = lab.standing()
    started = "systemctl show -P InvocationID supabase-prod-storage"
    running = lab.machine.run(started).stdout
    lab.machine.run(f"sed -i '\\|{META.image}|d' {podman.STATE}/images")
    dry, run = lab.project.dry(), lab.project.converge()
    assert run.status == 0, run.output
    assert run.changes == dry.changes == [f"host: pull image meta {META.version}"]
    assert podman.images(lab.machine) == {META.image, STORAGE.image}
    assert lab.standing() == before
    assert lab.machine.run(started).stdout == running
    assert lab.project.converge().unchanged


def test_commands_do_not_grow(lab: Lab, tmp_path: Path) -> None:
    """The question is asked once for all instances, and asks for each image once."""
    podman.calls(lab.machine, "image")
    assert lab.project.converge().unchanged
    assert sorted(podman.calls(lab.machine, "image")) == sorted(f"{reference}" for reference in image_references())


def test_a_service_switched_off_leaves_nothing(lab: Lab) -> None:
    """No unit, user, secret and nothing that was composed of one; its files and its schema stay, for they are the user's."""
    machine = lab.machine
    assert machine.run("stat -c %a /run/supabase/prod/storage/env").stdout == "400\n"
    lab.change("prod", services={"storage": False})
    dry, run = lab.project.dry(), lab.project.converge()
    assert run.status == 0, run.output
    assert set(run.changes) == set(dry.changes)
    assert "prod: stop supabase-prod-storage.service" in run.changes
    left = r"""systemctl list-units --all --plain --no-legend 'supabase-prod-storage*'
        grep supabase-prod-storage /etc/passwd /etc/group
        ls -d /run/supabase/prod/storage /run/agenix/supabase-prod-s3 /etc/systemd/system/supabase-prod-storage*"""
    assert machine.run(left, check=False).stdout == ""
    assert machine.run("ls -d /var/lib/supabase/prod/storage").stdout
    assert lab.project.converge().unchanged
