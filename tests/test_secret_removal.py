import os
from pathlib import Path

import pytest

from tests.secret_project import SecretProject, forked, secret_project
from workstation import files, secret_removal


@pytest.fixture
def project(tmp_path: Path) -> SecretProject:
    made = secret_project(tmp_path, "dev", "dev2", "prod")
    assert forked(made.deploy) == 0  # this process does not hold the lock
    return made


def text(project: SecretProject, name: str = "dev") -> list[str]:
    return [str(change) for change in secret_removal.changes(project.store, name)]


def test_its_files_sidecars_and_rules_go_and_no_other_s(project: SecretProject) -> None:
    before = project.files()
    assert text(project) == [
        *(f"remove supabase-dev-{kind}.age" for kind in ("anon", "db", "dbverifier", "jwt", "service")),
        "update secrets/supabase.nix (agenix rules)",
    ]
    secret_removal.remove(project.store, "dev")
    after = project.files()
    assert {name for name in before if name not in after} == {name for name in before if name.startswith("supabase-dev-")}
    kept = {name: content for name, content in after.items() if name != "supabase.nix"}
    assert kept == {name: content for name, content in before.items() if name in kept}
    assert b"supabase-dev-" not in after["supabase.nix"]
    rules = before["supabase.nix"].splitlines()
    assert after["supabase.nix"].splitlines() == [line for line in rules if b"supabase-dev-" not in line]
    assert text(project) == []


def test_other_generations_and_what_was_put_there_by_hand(project: SecretProject) -> None:
    (project.directory / "supabase-dev-smtp.age").write_bytes(b"given")
    (project.directory / "supabase-dev-jwt-next.age").write_bytes(b"next")
    (project.directory / "supabase-development.age").write_bytes(b"mine")
    (project.directory / ".pending-dev.json").write_bytes(b"{}")
    assert {"remove supabase-dev-smtp.age", "remove supabase-dev-jwt-next.age"} <= set(text(project))
    assert "remove .pending-dev.json (left by an interrupted run)" in text(project)
    secret_removal.remove(project.store, "dev")
    left = [name for name in project.files() if "dev" in name and "dev2" not in name]
    assert left == ["supabase-development.age"]


def test_a_damaged_sidecar_of_another_keeps_its_rule(project: SecretProject) -> None:
    (project.directory / "supabase-prod-jwt.json").write_text("{}")
    secret_removal.remove(project.store, "dev")
    assert b"supabase-prod-jwt.age" in project.files()["supabase.nix"]


def test_killed_at_any_write_the_next_run_goes_on(project: SecretProject) -> None:
    """Every removal and every write, as the last one of a killed process."""
    whole = project.files()
    for last in range(12):
        for name, content in whole.items():
            (project.directory / name).write_bytes(content)

        def killed(last: int = last) -> None:
            count = iter(range(last))
            for module, verb in ((files, "remove"), (files, "write_atomic")):
                real = getattr(module, verb)

                def act(*arguments: object, real: object = real) -> None:
                    if next(count, None) is None:
                        os._exit(9)
                    assert callable(real)
                    real(*arguments)

                setattr(module, verb, act)
            secret_removal.remove(project.store, "dev")

        status = forked(killed)
        assert status == (9 if last < 11 else 0)
        assert forked(lambda: secret_removal.remove(project.store, "dev")) == 0
        assert not [name for name in project.files() if name.startswith("supabase-dev-")]
        assert text(project) == []
