"""The planner on bytes alone: no file, no key, no clock. What it says about real directories: test_secret_store.py."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired.errors import SecretStop
from desired.generators import GENERATORS, PARENTS, inputs_digest
from desired.graph import with_derived
from desired.secret_plan import Stored, Wanted, plan
from desired.sidecar import Sidecar, digest, render

KINDS = sorted(GENERATORS)
KEYS = ("ssh-ed25519 AAAA",)
NOTHING = Stored(None, None)


def item(kind: str, instance: str = "prod", recipients: tuple[str, ...] = KEYS) -> Wanted:
    parents = {parent: f"supabase-{instance}-{parent}" for parent in PARENTS[kind]}
    return Wanted(instance, kind, f"supabase-{instance}-{kind}", recipients, {"of": instance}, parents)


def number(kind: str) -> str:
    return f"{KINDS.index(kind):016x}"


def stored(wanted: Wanted, **changes: object) -> Stored:
    ciphertext = f"{wanted.secret} for {wanted.recipients}".encode()
    parents = {kind: number(kind) for kind in wanted.parents}
    sidecar = Sidecar(
        wanted.instance, wanted.kind, wanted.secret, wanted.recipients, inputs_digest(wanted.inputs), digest(ciphertext),
        number(wanted.kind), parents, "current", "2026-11-22T00:00:00Z",
    )  # fmt: skip
    return Stored(ciphertext, render(replace(sidecar, **changes)))  # type: ignore[arg-type]


ITEMS = [item(kind) for kind in ("jwt", "anon", "service", "db", "dbverifier")]
SETTLED = {wanted.secret: stored(wanted) for wanted in ITEMS}


def verbs(files: dict[str, Stored], items: list[Wanted] = ITEMS, renew: frozenset[str] = frozenset()) -> dict[str, str]:
    return {action.wanted.kind: action.verb for action in plan(items, files, "secrets", renew).actions}


def test_settled_is_settled() -> None:
    outcome = plan(ITEMS, SETTLED, "secrets")
    assert outcome.actions == ()
    assert outcome.sidecars.keys() == SETTLED.keys()


def test_a_new_instance_needs_nothing_opened() -> None:
    outcome = plan(ITEMS, dict.fromkeys(SETTLED, NOTHING), "secrets")
    assert [action.verb for action in outcome.actions] == ["create"] * 5
    assert not any(action.opens for action in outcome.actions)


@given(st.sets(st.sampled_from(KINDS)))
def test_renewing_takes_all_derived_nothing_else_and_opens_kept_parents_only(renew: set[str]) -> None:
    outcome = plan(ITEMS, SETTLED, "secrets", frozenset(renew))
    fresh = with_derived(PARENTS, renew)
    assert {action.wanted.kind for action in outcome.actions} == fresh
    for action in outcome.actions:
        assert action.verb == "update"
        kept = {parent for parent in PARENTS[action.wanted.kind] if parent not in fresh}
        assert set(action.opens) == {f"supabase-prod-{parent}" for parent in kept}


@given(st.sets(st.sampled_from(KINDS)))
def test_any_set_of_missing_secrets(missing: set[str]) -> None:
    """A kept child is never given a new parent; else everything missing is made."""
    files = {name: NOTHING if name.removeprefix("supabase-prod-") in missing else value for name, value in SETTLED.items()}
    orphaned = [kind for kind in KINDS if kind not in missing and set(PARENTS[kind]) & missing]
    if orphaned:
        with pytest.raises(SecretStop) as caught:
            plan(ITEMS, files, "secrets")
        assert all(f"supabase-prod-{kind}.age" in str(caught.value) for kind in orphaned)
    else:
        assert verbs(files) == dict.fromkeys(missing, "create")


@given(st.sets(st.sampled_from(KINDS)))
def test_only_files_for_other_recipients_are_re_encrypted(changed: set[str]) -> None:
    old = ("ssh-ed25519 BBBB",)
    files = {wanted.secret: stored(wanted, recipients=old if wanted.kind in changed else KEYS) for wanted in ITEMS}
    assert verbs(files) == dict.fromkeys(changed, "re-encrypt")


def test_every_problem_of_every_instance_is_told_at_once() -> None:
    items = ITEMS + [replace(item(wanted.kind, "dev")) for wanted in ITEMS]
    files = {wanted.secret: stored(wanted) for wanted in items}
    files["supabase-prod-jwt"] = Stored(None, files["supabase-prod-jwt"].sidecar)
    files["supabase-dev-db"] = stored(item("db", "dev"), inputs="0" * 64)
    with pytest.raises(SecretStop) as caught:
        plan(items, files, "secrets")
    assert "secrets/supabase-prod-jwt.age is missing" in str(caught.value)
    assert "secrets/supabase-dev-db.age was made for other values" in str(caught.value)
    assert "just supabase-update-secret dev db" in str(caught.value)


def test_renewing_heals_what_would_stop() -> None:
    files = {**SETTLED, "supabase-prod-jwt": Stored(None, SETTLED["supabase-prod-jwt"].sidecar), "supabase-prod-anon": NOTHING}
    with pytest.raises(SecretStop):
        plan(ITEMS, files, "secrets")
    assert verbs(files, renew=frozenset({"jwt"})) == {"jwt": "create", "anon": "create", "service": "update"}
