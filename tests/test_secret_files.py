import shutil

import pytest

from desired.errors import SecretStop
from tests.secret_project import SecretProject, secret_project
from workstation import age


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> SecretProject:
    project = secret_project(tmp_path_factory.mktemp("project"), "prod")
    project.deploy()
    return project


def test_pending_files_count_as_written(project: SecretProject) -> None:
    stored = project.store.stored("supabase-prod-jwt", {"supabase-prod-jwt.age": b"pending"})
    assert stored.ciphertext == b"pending"
    assert stored.sidecar == (project.directory / "supabase-prod-jwt.json").read_bytes()
    assert project.store.stored("nothing", {}).ciphertext is None


def test_present_tells_ours_from_others_and_damaged(project: SecretProject) -> None:
    shutil.copy(project.directory / "supabase-prod-jwt.json", project.directory / "copy.json")
    (project.directory / "other.json").write_text("{}")
    (project.directory / ".hidden.json").write_text("{}")
    present = project.store.present()
    assert {name for name, sidecar in present.items() if sidecar is None} == {"copy", "other"}
    assert len(present) == 7
    for name in ("copy", "other", ".hidden"):
        (project.directory / f"{name}.json").unlink()


def test_a_value_of_more_than_one_line_is_not_quoted(project: SecretProject) -> None:
    content = age.encrypt(b"first-line\nsecond-line\n", [project.operator.public])
    with pytest.raises(SecretStop, match=r"secrets/x\.age is not usable: it is not one line.*agenix -e x\.age") as caught:
        project.store.value("x", content)
    assert "first-line" not in str(caught.value)


def test_open(project: SecretProject) -> None:
    assert len(project.store.open("supabase-prod-jwt")) == 64
    with pytest.raises(SecretStop, match=r"secrets/nothing\.age is missing"):
        project.store.open("nothing")
