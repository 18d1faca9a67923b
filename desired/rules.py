"""The agenix CLI's rules for our secrets: who may decrypt which file. The build never reads them.

Ours stand in `supabase.nix`, one line a secret; the user's `secrets.nix` imports it. Names are relative to the secrets
directory, where the CLI runs (agenix.sh: `rules."FILE".publicKeys`, `rules."FILE".armor`, `attrNames rules`).
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from desired.nix_text import listed, quoted

FILE = "supabase.nix"
USER_FILE = "secrets.nix"
HINT = f"// import ./{FILE}"

#: What stands in secrets.nix when the user has none.
FIRST_USER_FILE = f"""# Rules of the agenix CLI. Secrets of your own go between the braces.
{{
}}
{HINT}
"""


def line(secret: str, recipients: Sequence[str]) -> str:
    """The rule of one secret."""
    return f"{_name(secret)}{{ publicKeys = {listed(recipients)}; armor = true; }};"


def text(recipients: Mapping[str, Sequence[str]], kept: Iterable[str] = ()) -> str:
    """The whole of `supabase.nix`: secret name to recipients, and lines `kept` from before; sorted."""
    lines = sorted([*(line(secret, keys) for secret, keys in recipients.items()), *kept])
    body = "".join(f"{item}\n" for item in lines)
    return f"# Written by every run from the sidecars (*.json) beside the secrets: edits here are lost.\n{{\n{body}}}\n"


def kept(present: str, secrets: Iterable[str]) -> list[str]:
    """The lines that a present `supabase.nix` has for some secrets."""
    starts = tuple(map(_name, secrets))
    return [item for item in present.splitlines() if starts and item.startswith(starts)]


def named(present: str) -> list[str]:
    """The secrets that a present `supabase.nix` has rules for."""
    return re.findall(r'^  "([^"]+)\.age" = ', present, re.MULTILINE)


def _name(secret: str) -> str:
    return f"  {quoted(secret + '.age')} = "


def imported(user_text: str) -> bool:
    """Whether the user's secrets.nix takes our rules in."""
    return any(FILE in code.partition("#")[0] for code in user_text.splitlines())
