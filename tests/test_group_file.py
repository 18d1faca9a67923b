"""Edits of group_data: whatever the file looks like, only the entry comes or goes."""

import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desired import group_text
from desired.errors import Busy, Stop
from workstation import group_file

NAMES = st.from_regex(r"[a-z][a-z0-9]{0,12}", fullmatch=True)
COMMENTS = st.sampled_from(["", "  # a note", " # it's {1, 2}: \"x\",", "  # é, ✓"])
VALUES = st.sampled_from(
    [
        *("{}", '{"subdomain": "supabase"}', "{'log_level': 'debug', }", '({"port": 9000})', "{**_BASE}"),
        *('{"limits": {"memory": 1 << 9}}', '{\n        "subdomain": "a",  # of a,\n        "log_level": "info"\n    }'),
    ]
)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A file of group_data as people write them."""
    keys = draw(st.lists(NAMES, unique=True, max_size=4))
    quote = draw(st.sampled_from("\"'"))
    entries = [(f"{quote}{key}{quote}:{draw(st.sampled_from([' ', '  ', '']))}{draw(VALUES)}") for key in keys]
    left = draw(st.sampled_from(["instances = ", "instances: dict[str, object] = ", "instances  =  (", 'x = "é"; instances = ']))
    style, comma = draw(st.sampled_from(["line", "lines", "loose"])), draw(st.booleans())
    if style == "line":
        body = ", ".join(entries) + ("," if comma and entries else "")
    elif style == "lines":
        above = draw(st.sampled_from(["", "    # above\n"]))
        lines = [f"{above}    {entry}{',' if comma or entry != entries[-1] else ''}{draw(COMMENTS)}\n" for entry in entries]
        body = draw(COMMENTS) + "\n" + "".join(lines) + draw(st.sampled_from(["", "    # the end\n", "\n"]))
    else:
        body = ",\n ".join(entries)
    text = f"_BASE = {{}}\n# first,\n{left}{{{body}}}{')' if '(' in left else ''}{draw(COMMENTS)}\ncapacity = 3\n"
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))


def evaluated(text: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    exec(compile(text, "lab.py", "exec"), values)
    return {key: value for key, value in values.items() if key != "__builtins__"}


def within(short: str, long: str) -> bool:
    """Whether `long` is `short` with pieces put in."""
    rest = iter(long)
    return all(character in rest for character in short)


def lines_left(old: str, new: str) -> bool:
    """Every comment on a line of its own is still there."""
    alone = [line for line in old.splitlines() if line.strip().startswith("#")]
    return all(line in new.splitlines() for line in alone)


@settings(deadline=None)
@given(texts(), NAMES, st.sampled_from([{}, {"subdomain": "api"}]))
def test_an_entry_comes_and_nothing_else(text: str, name: str, entry: dict[str, str]) -> None:
    before = evaluated(text)
    if name in before["instances"]:
        with pytest.raises(group_text.NotPlainError, match="is there already"):
            group_text.added(text, name, entry)
        return
    new = group_text.added(text, name, entry)
    assert evaluated(new) == {**before, "instances": {**before["instances"], name: entry}}
    assert list(evaluated(new)["instances"])[-1] == name
    assert within(text, new)
    assert len(new) - len(text) < 80
    assert ("\r\n" in new.replace("\r\n", "", 1)) == ("\r\n" in text)
    assert evaluated(group_text.removed(new, name)) == before


@settings(deadline=None)
@given(texts(), st.data())
def test_an_entry_goes_and_nothing_else(text: str, data: st.DataObject) -> None:
    before = evaluated(text)
    if not before["instances"]:
        with pytest.raises(group_text.NotPlainError, match="is not in it"):
            group_text.removed(text, "prod")
        return
    name = data.draw(st.sampled_from(sorted(before["instances"])))
    new = group_text.removed(text, name)
    left = {key: value for key, value in before["instances"].items() if key != name}
    assert evaluated(new) == {**before, "instances": left}
    assert within(new, text)
    assert lines_left(text, new)
    assert text.startswith(new[: new.index("instances")])


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("instances = {}\n", 'instances = {\n    "new": {},\n}\n'),
        ('instances = {"a": {}}', 'instances = {"a": {}, "new": {}}'),
        ("instances = {'a': {}, }", "instances = {'a': {}, 'new': {}, }"),
        ('instances = {\n  "a": {}  # of a\n}\n', 'instances = {\n  "a": {},  # of a\n  "new": {},\n}\n'),
        ("instances = {\n    # none yet\n}\n", 'instances = {\n    # none yet\n    "new": {},\n}\n'),
        (
            "instances = {\r\n\t'a': {},  # of a\r\n\t# 'b': {},\r\n}\r\n",
            "instances = {\r\n\t'a': {},  # of a\r\n\t# 'b': {},\r\n\t'new': {},\r\n}\r\n",
        ),
        ("instances = {'a': {},\n 'b': {}}\n", "instances = {'a': {},\n 'b': {},\n 'new': {}}\n"),
    ],
)
def test_it_looks_as_its_author_would_have_written_it(text: str, new: str) -> None:
    assert group_text.added(text, "new", {}) == new
    if "a" in evaluated(text)["instances"]:
        assert group_text.removed(new, "new").replace(",", "") == text.replace(",", "")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("instances = {name: {} for name in 'ab'}", "no plain dictionary"),
        ("instances = dict(a={})", "no plain dictionary"),
        ("_more = {}\ninstances = {**_more, 'a': {}}", "not every name in it is written out"),
        ("instances = {'a' 'b': {}}", "not every name in it is written out"),
        ("instances = {b'a': {}}", "not every name in it is text"),
        ("instances = {'a': {}}\ninstances['b'] = {}", "left at that"),
        ("instances = {'a': {}}\ninstances |= {'b': {}}", "left at that"),
        ("instances = {}\ninstances = {}", "left at that"),
        ("if True:\n    instances = {}", "left at that"),
        ("other = instances = {}", "left at that"),
        ("from elsewhere import instances", "left at that"),
        ("instances = {'a': {}, 'a': {}}", "twice"),
        ("instances = {", "not Python"),
        ("domain = 'x'", "left at that"),
    ],
)
def test_computed_instances_are_left_to_their_author(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "lab.py").write_text(text)
    with pytest.raises(Stop, match=why) as caught:
        group_file.adding(tmp_path, "lab.py", "new", {"subdomain": "api"})
    assert '    "new": {"subdomain": "api"},' in str(caught.value).splitlines()
    with pytest.raises(Stop, match="remove the entry of a there yourself"):
        group_file.removing(tmp_path, "lab.py", "a")
    assert (tmp_path / "lab.py").read_text() == text


def test_a_file_that_changed_since_is_left(tmp_path: Path) -> None:
    (tmp_path / "lab.py").write_text("instances = {}\n")
    edit = group_file.adding(tmp_path, "lab.py", "new", {})
    (tmp_path / "lab.py").write_text("instances = {}  # mine\n")
    with pytest.raises(Busy, match="has changed since"):
        group_file.write(edit)
    assert (tmp_path / "lab.py").read_text() == "instances = {}  # mine\n"


def test_mode_and_link_stay(tmp_path: Path) -> None:
    (tmp_path / "real.py").write_text("instances = {}\n")
    (tmp_path / "real.py").chmod(0o640)
    (tmp_path / "lab.py").symlink_to("real.py")
    group_file.write(group_file.adding(tmp_path, "lab.py", "new", {}))
    assert (tmp_path / "lab.py").is_symlink()
    assert evaluated((tmp_path / "real.py").read_text())["instances"] == {"new": {}}
    assert stat.S_IMODE((tmp_path / "real.py").stat().st_mode) == 0o640
    assert [path.name for path in sorted(tmp_path.iterdir()) if path.suffix == ".py"] == ["lab.py", "real.py"]
