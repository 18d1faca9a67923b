import pytest

from desired import errors
from desired.errors import Busy, HostStop, Invalid, Mistake, SecretStop, SlotStop, Stop


@pytest.mark.parametrize(
    ("mistake", "text"),
    [
        (Mistake("f.py", "port", "is taken"), "f.py: port: is taken"),
        (Mistake("f.py", "port", "is taken", value="8000"), "f.py: port = 8000: is taken"),
        (Mistake("f.py", "port", "is taken", "prod"), "f.py: instance prod: port: is taken"),
        (Mistake("f.py", "port", "is taken", "prod", "8000"), "f.py: instance prod: port = 8000: is taken"),
    ],
)
def test_a_mistake_says_where_and_what(mistake: Mistake, text: str) -> None:
    assert str(mistake) == text


def test_invalid_lists_every_mistake() -> None:
    first, second = Mistake("a.py", "x", "is wrong"), Mistake("b.py", "y", "is wrong")
    assert str(Invalid([first])) == "1 mistake; nothing was changed:\n  a.py: x: is wrong"
    assert str(Invalid([first, second])) == "2 mistakes; nothing was changed:\n  a.py: x: is wrong\n  b.py: y: is wrong"
    assert Invalid([first, second]).mistakes == (first, second)


def test_the_docstring_shows_the_tree() -> None:
    """Every refusal is a Stop, and the module's text names each."""
    kinds = {kind.__name__ for kind in Stop.__subclasses__() if kind.__module__ == errors.__name__}
    assert kinds == {kind.__name__ for kind in (Busy, HostStop, Invalid, SecretStop, SlotStop)}
    assert {line.split()[1] for line in (errors.__doc__ or "").splitlines() if "──" in line} == kinds
