"""How a message shows what a person wrote: on one line, short, and never what could be a secret."""

import difflib
import re
from collections.abc import Iterable

_SECRET = re.compile(r"PRIVATE KEY|AGE-SECRET-KEY|b3BlbnNzaC1rZXk|eyJ|://[^/]*@")
_LENGTH = 60


def shown(value: object) -> str | None:
    """The value as Python would write it. None for a container, or for text that looks like a key, a token or a URL
    with a password: a message then names the place alone."""
    if isinstance(value, str):
        if _SECRET.search(value):
            return None
        text = repr(value)
        return text if len(text) <= _LENGTH else f"{text[: _LENGTH - 4]}...{text[-1]}"
    return repr(value) if value is None or isinstance(value, bool | int | float) else None


def named(key: object) -> str:
    """A key somebody made up: as it is when it is a word, else as `shown` would."""
    text = str(key)
    return text if re.fullmatch(r"[\w.-]{1,40}", text, re.ASCII) and shown(text) else shown(text) or "(a key that is not shown)"


def suggestion(word: object, known: Iterable[str]) -> str:
    """What a misspelt word may have meant, as the end of a message: the closest known one, else all."""
    words = sorted(known)
    close = difflib.get_close_matches(str(word), words, n=1)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(words) or 'none'}"
