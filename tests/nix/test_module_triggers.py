"""Which secrets are declared, where they are read, and what a change of one touches."""

import re
from pathlib import Path

from tests.nix.evaluation import Json, Lab, Library, instance
from tests.nix.rendered import run, script, section, starts


def test_runtime_paths_need_no_agenix(tmp_path: Path, library: Library) -> None:
    """sops-nix style: an absolute path declares nothing and is read as it is."""
    lab = Lab(tmp_path / "host")
    lab.host()
    paths = {"jwtSecret": "/run/secrets/jwt", "anonKey": "/run/secrets/anon"}
    paths |= {"serviceKey": "/run/secrets/service", "databaseUrl": "/run/secrets/db"}
    lab.put("prod", instance("prod", 0, secrets=[*paths.values()], **paths))
    without = lab.evaluate(library, agenix=False)
    assert without["failed"] == []
    assert without["system"]["age"] is None
    assert run(script(without["system"]["etc"]["supabase/check-secrets"])).returncode == 0
    result = lab.evaluate(library)
    assert result["system"]["age"] == {}
    compose = Path(starts(result["system"]["units"]["supabase-prod-rest.service"])[0]).read_text()
    assert re.search("each_generation '?/run/secrets/jwt'? add_jwk", compose)


def test_a_secret_of_another_place(lab: Lab, library: Library) -> None:
    """The scripts read where the host's agenix decrypts to."""
    system = lab.evaluate(library, '{ age.secrets.supabase-prod-jwt.path = "/run/elsewhere/jwt"; }')["system"]
    assert "/run/elsewhere/jwt" in Path(starts(system["units"]["supabase-prod-rest.service"])[0]).read_text()


def changed_units(before: Json, after: Json) -> set[str]:
    """Names of the units whose text differs."""
    units = before["system"]["units"] | after["system"]["units"]
    return {u for u in units if before["system"]["units"].get(u) != after["system"]["units"].get(u)}


def only_reloads(before: Json, after: Json, units: set[str] | None = None) -> bool:
    """Whether NixOS reloads every unit that changed, or these: but for the trigger its text is the same."""

    def rest(result: Json, unit: str) -> str:
        return re.sub("^X-Reload-Triggers=.*\n", "", result["system"]["units"][unit], flags=re.MULTILINE)

    return all(rest(before, unit) == rest(after, unit) for unit in units or changed_units(before, after))


def test_a_new_ciphertext_reloads_the_units_that_read_it(lab: Lab, library: Library) -> None:
    """Nothing but the reload trigger of those units changes; renaming or touching the tree changes nothing."""
    before = lab.evaluate(library)
    lab.secret("supabase-prod-jwt", "another ciphertext")
    after = lab.evaluate(library)
    assert changed_units(before, after) == {"supabase-prod-rest.service"}
    assert only_reloads(before, after)
    lab.secret("supabase-prod-db", "another ciphertext")
    assert changed_units(after, lab.evaluate(library)) == set()


def test_what_auth_reads_is_reloaded_but_for_its_database(lab: Lab, library: Library) -> None:
    """Signing secret, mail password and the administrator's variables are read again; the connection's password is not."""
    auth = instance("prod", 0)["auth"] | {"databaseSocket": False}
    smtp = {"host": "mail.example.org", "user": "me", "sender": "me@example.org"}
    kinds = ["anon", "authdb", "db", "env", "jwt", "s3", "service", "smtp"]
    prod = instance("prod", 0, "app", auth=auth, smtp=smtp, secretEnvironment={"auth": "supabase-prod-env"})
    prod["secrets"] = [f"supabase-prod-{kind}" for kind in kinds]
    lab.put("prod", prod)
    before = lab.evaluate(library)
    assert before["failed"] == []
    read_by_others = {"jwt": {"supabase-prod-rest.service", "supabase-prod-storage.service"}}
    for kind in ("jwt", "smtp", "env", "authdb"):
        lab.secret(f"supabase-prod-{kind}", "another ciphertext")
        after = lab.evaluate(library)
        assert changed_units(before, after) == {"supabase-prod-auth.service", *read_by_others.get(kind, set())}
        assert only_reloads(before, after, {"supabase-prod-auth.service"}) == (kind != "authdb")
        before = after


def test_secret_variables_of_a_service_that_cannot_read_again(lab: Lab, library: Library) -> None:
    """Variables of the REST API are read by systemd, at the start."""
    lab.put("prod", instance("prod", 0, secretEnvironment={"restApi": "supabase-prod-env"}))
    lab.secret("supabase-prod-env", "ciphertext")
    before = lab.evaluate(library)
    unit = before["system"]["units"]["supabase-prod-rest.service"]
    assert section(unit, "EnvironmentFile") == ["/run/agenix/supabase-prod-env"]
    lab.secret("supabase-prod-env", "another ciphertext")
    after = lab.evaluate(library)
    assert changed_units(before, after) == {"supabase-prod-rest.service"}
    assert not only_reloads(before, after)


def test_another_port_is_another_socket(lab: Lab, library: Library) -> None:
    """NixOS restarts no socket because its text changed: so the old one goes and a new one comes."""
    before = lab.evaluate(library)
    lab.put("prod", instance("prod", 0, subdomain="supabase", port=8100))
    assert changed_units(before, lab.evaluate(library)) == {
        "supabase-prod-8000.socket",
        "supabase-prod-8100.socket",
        "supabase-prod.service",
    }


def test_a_rotation_restarts_nothing(lab: Lab, library: Library) -> None:
    """A next or previous secret comes and goes by a reload of the units that read it."""
    before = lab.evaluate(library)
    prod = instance("prod", 0, subdomain="supabase")
    steps = [
        (["jwt-next"], {"supabase-prod-rest.service"}),
        (["jwt-previous", "anon-previous"], {"supabase-prod-rest.service", "supabase-prod.service"}),
        ([], {"supabase-prod-rest.service", "supabase-prod.service"}),
    ]
    for listed, expected in steps:
        lab.put("prod", prod | {"secrets": prod["secrets"] + [f"supabase-prod-{kind}" for kind in listed]})
        after = lab.evaluate(library)
        assert changed_units(before, after) == expected
        assert only_reloads(before, after)
        assert {f"supabase-prod-{kind}" for kind in listed} <= set(after["system"]["age"])
        before = after


def test_secrets_directory_as_text(lab: Lab, library: Library, tmp_path: Path) -> None:
    """`secretsDir = "${inputs.self}/secrets"` is text; each file is still addressed by its own content."""
    (tmp_path / "elsewhere").mkdir()
    (lab.tree / "secrets").rename(tmp_path / "elsewhere/secrets")
    configuration = f'{{ constellation.supabase.secretsDir = "{tmp_path}/elsewhere/secrets"; }}'
    before = lab.evaluate(library, configuration)
    assert before["failed"] == []
    (tmp_path / "elsewhere/secrets/unrelated.age").write_text("new")
    assert changed_units(before, lab.evaluate(library, configuration)) == set()
    assert all(Path(s["file"]).is_relative_to(lab.store) for s in before["system"]["age"].values())


def test_a_setting_of_one_instance_changes_its_own_units(lab: Lab, library: Library) -> None:
    """dev's log level is dev's matter; a third instance is nobody else's."""
    before = lab.evaluate(library)
    lab.put("dev", instance("dev", 1, logLevel="error"))
    after = lab.evaluate(library)
    assert changed_units(before, after) == {"supabase-dev.service", "supabase-dev-rest.service"}
    lab.put("new", instance("new", 2))
    assert {u.split(".")[0].split("-")[1] for u in changed_units(after, lab.evaluate(library))} == {"new"}
