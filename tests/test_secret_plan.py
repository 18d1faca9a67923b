"""The planner on bytes alone: no file, no key, no clock. What it says about real directories: test_secret_store.py."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired.errors import SecretStop
from desired.generators import GENERATORS, PARENTS, inputs_digest
from desired.graph import ordered, with_derived
from desired.secret_plan import Stored, Wanted, plan
from desired.sidecar import Sidecar, digest, render

KINDS = sorted(GENERATORS)
#: Those that a run makes, and those that only a person can give.
MADE = [kind for kind in KINDS if GENERATORS[kind].make]
GIVEN = [kind for kind in KINDS if not GENERATORS[kind].make]
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


ITEMS = [item(kind) for kind in ordered(PARENTS, KINDS)]
SETTLED = {wanted.secret: stored(wanted) for wanted in ITEMS}


def verbs(files: dict[str, Stored], items: list[Wanted] = ITEMS, renew: frozenset[str] = frozenset()) -> dict[str, str]:
    return {action.wanted.kind: action.verb for action in plan(items, files, "secrets", renew).actions}


def test_settled_is_settled() -> None:
    outcome = plan(ITEMS, SETTLED, "secrets")
    assert outcome.actions == ()
    assert outcome.sidecars.keys() == SETTLED.keys()


def test_a_new_instance_needs_nothing_opened() -> None:
    items = [wanted for wanted in ITEMS if wanted.kind in MADE]
    outcome = plan(items, dict.fromkeys(SETTLED, NOTHING), "secrets")
    assert [action.verb for action in outcome.actions] == ["create"] * len(MADE)
    assert not any(action.opens for action in outcome.actions)


@pytest.mark.parametrize("kind", GIVEN)
def test_what_a_person_gives_is_asked_for_and_never_made(kind: str) -> None:
    how = (
        f"it is yours to give: {GENERATORS[kind].what}. `just supabase-update-secret prod {kind} --stdin` takes it from "
        f"standard input; or with agenix: `just supabase-adopt prod` writes the rule, then `agenix -e supabase-prod-{kind}.age` "
        "in secrets/, and `just supabase-adopt prod` takes it over"
    )
    secret = f"supabase-prod-{kind}"
    for files, renew, start in (
        (NOTHING, set(), "is missing: "),
        (SETTLED[secret], {kind}, "cannot be made anew: "),
        (Stored(None, SETTLED[secret].sidecar), set(), "is missing, but its sidecar is there: restore the file from git; "),
    ):
        with pytest.raises(SecretStop) as caught:
            plan(ITEMS, {**SETTLED, secret: files}, "secrets", frozenset(renew))
        assert str(caught.value).startswith(f"secrets/{secret}.age {start}")
        assert str(caught.value).endswith(how)


def test_all_that_is_to_be_given_is_asked_for_at_once() -> None:
    files = {name: NOTHING if name.removeprefix("supabase-prod-") in GIVEN else value for name, value in SETTLED.items()}
    with pytest.raises(SecretStop) as caught:
        plan(ITEMS, files, "secrets")
    assert [line.split(".age")[0] for line in str(caught.value).splitlines()] == [
        f"secrets/{wanted.secret}" for wanted in ITEMS if wanted.kind in GIVEN
    ]


@given(st.sets(st.sampled_from(MADE)))
def test_renewing_takes_all_derived_nothing_else_and_opens_kept_parents_only(renew: set[str]) -> None:
    outcome = plan(ITEMS, SETTLED, "secrets", frozenset(renew))
    fresh = with_derived(PARENTS, renew)
    assert {action.wanted.kind for action in outcome.actions} == fresh
    for action in outcome.actions:
        assert action.verb == "update"
        kept = {parent for parent in PARENTS[action.wanted.kind] if parent not in fresh}
        assert set(action.opens) == {f"supabase-prod-{parent}" for parent in kept}


@given(st.sets(st.sampled_from(MADE)))
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
