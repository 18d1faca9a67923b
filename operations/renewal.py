"""A new value for one secret, made or read from standard input."""

import getpass
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from desired.errors import Invalid, Mistake, SecretStop
from desired.renewal import one_kind
from desired.secret_value import value_of
from desired.selection import flag
from operations.site import Site


def site(of: Site, overrides: Mapping[str, Any]) -> Site:
    """The site that renews the secret named in `--data secret`. Raises Invalid, SecretStop."""
    (item,) = of.instances
    if "secret" not in overrides:
        known = ", ".join(sorted(item.secrets))
        raise Invalid([Mistake("--data", "secret", f"name the secret: --data secret=KIND; known: {known}")])
    if of.store.standings([item])[item.name].following:
        raise SecretStop(
            f"{item.name}: a rotation was started and has not switched yet; `just supabase-rotate-secrets {item.name}` "
            "finishes it"
        )
    value = _given() if flag(overrides, "stdin") else None
    return replace(of.fresh(), renewal=one_kind(item, overrides["secret"], value))


@cache
def _given() -> str:
    """The value a person gives: typed unseen at a terminal, else all of standard input. Read once a process."""
    if sys.stdin.isatty():
        return getpass.getpass("value (not shown): ")
    try:
        return value_of(sys.stdin.buffer.read(), lines=True)
    except ValueError as error:
        raise SecretStop(f"the value on standard input is not usable: {error}; nothing was changed") from None
