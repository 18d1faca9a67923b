from pathlib import Path

from desired import scram, tokens
from desired.secret_plan import Action, Stored, wanted
from desired.sidecar import parse
from tests.secret_project import secret_project
from workstation.making import Making


def test_a_whole_instance_is_made_in_memory(tmp_path: Path) -> None:
    project = secret_project(tmp_path, "prod")
    items = wanted(project.host, project.host.instances)
    making = Making(project.store, {item.secret: Stored(None, None) for item in items}, {})
    group = making.carry_out([Action("create", item, (), None, "") for item in items])
    assert project.files() == {}
    assert sorted(group) == sorted(f"{item.secret}.{suffix}" for item in items for suffix in ("age", "json"))
    jwt, url = (making.value(kind, f"supabase-prod-{kind}") for kind in ("jwt", "db"))
    assert parse(group["supabase-prod-jwt.json"]).id == tokens.kid(jwt)
    for kind in ("anon", "service"):
        assert parse(group[f"supabase-prod-{kind}.json"]).parents == {"jwt": tokens.kid(jwt)}
    verifier = making.value("dbverifier", "supabase-prod-dbverifier")
    assert scram.matches(verifier, url.split(":")[2].split("@")[0])
    assert not any(value in repr(making) for value in (jwt, url, verifier))


def test_a_parent_is_opened_once(tmp_path: Path) -> None:
    project = secret_project(tmp_path, "prod")
    project.deploy()
    items = {item.kind: item for item in wanted(project.host, project.host.instances)}
    stored = {item.secret: project.store.stored(item.secret, {}) for item in items.values()}
    jwt = parse(stored["supabase-prod-jwt"].sidecar or b"")
    making = Making(project.store, stored, {"jwt": jwt})
    making.make(items["anon"])
    project.operator.private.unlink()
    making.make(items["service"])
    assert {parse(making.written[f"supabase-prod-{kind}.json"]).parents["jwt"] for kind in ("anon", "service")} == {jwt.id}
