import pytest

from desired import rules


def test_one_line_a_secret_sorted() -> None:
    text = rules.text({"supabase-prod-jwt": ["ssh-ed25519 AAAA", "ssh-rsa BBBB"], "supabase-dev-jwt": ["ssh-ed25519 AAAA"]})
    assert text.splitlines()[1:] == [
        "{",
        '  "supabase-dev-jwt.age" = { publicKeys = [ "ssh-ed25519 AAAA" ]; armor = true; };',
        '  "supabase-prod-jwt.age" = { publicKeys = [ "ssh-ed25519 AAAA" "ssh-rsa BBBB" ]; armor = true; };',
        "}",
    ]
    assert rules.text({}).splitlines()[1:] == ["{", "}"]


def test_lines_are_kept_for_named_secrets_only() -> None:
    text = rules.text({name: ["ssh-ed25519 AAAA"] for name in ("a", "ab", "b")})
    assert rules.kept(text, ["a"]) == [rules.line("a", ["ssh-ed25519 AAAA"])]
    assert rules.kept(text, []) == []
    assert rules.text({"b": ["ssh-ed25519 AAAA"], "ab": ["ssh-ed25519 AAAA"]}, rules.kept(text, ["a"])) == text


@pytest.mark.parametrize(
    ("text", "imported"),
    [
        (rules.FIRST_USER_FILE, True),
        ("{ }\n// import ./supabase.nix\n", True),
        ("let ours = import ./supabase.nix; in ours", True),
        ("{ }\n", False),
        ("", False),
        ("{ } # // import ./supabase.nix\n", False),
    ],
)
def test_whether_the_users_file_takes_ours_in(text: str, imported: bool) -> None:
    assert rules.imported(text) == imported
