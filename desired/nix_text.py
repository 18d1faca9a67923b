"""Values as text of the Nix language."""

from collections.abc import Iterable
from functools import lru_cache

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "$": "\\$"})


@lru_cache(maxsize=64)  # the same few public keys stand in every rule
def quoted(value: str) -> str:
    """A Nix string that evaluates to `value`. Raises ValueError for NUL, which no Nix string can hold."""
    if "\0" in value:
        raise ValueError("a Nix string cannot hold a NUL character")
    return f'"{value.translate(_ESCAPES)}"'


def listed(values: Iterable[str]) -> str:
    """A Nix list of strings."""
    return f"[ {''.join(quoted(value) + ' ' for value in values)}]"
