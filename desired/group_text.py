"""The text of a group_data file with an instance more or less, and not a character of it changed otherwise.

LibCST says where things stand; the new text is the old one with a piece put in or cut out, so that comments, quotes and line
ends stay as their author wrote them. What is not a plain dictionary of names is left to its author.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import libcst as cst

_LINE_END = re.compile(r"\r\n|\r|\n")
_INDENT = "    "


class NotPlainError(ValueError):
    """`instances` is more than a dictionary that can be edited; `str()` says what."""


@dataclass(frozen=True)
class _Element:
    """Where an entry stands: `start` to `value_end`, and `end` after its comma, if it has one."""

    name: str
    start: int
    value_end: int
    end: int
    comma: bool
    quote: str


@dataclass(frozen=True)
class _Dictionary:
    """`opened`: after the left brace, `closed`: before the right one."""

    elements: tuple[_Element, ...]
    opened: int
    closed: int
    newline: str


def line(name: str, entry: Mapping[str, str], quote: str = '"') -> str:
    """The entry as it stands in `instances`: `"prod": {"subdomain": "supabase"},`."""
    values = ", ".join(f"{_quoted(key, quote)}: {_quoted(value, quote)}" for key, value in entry.items())
    return f"{_quoted(name, quote)}: {{{values}}},"


def names(text: str) -> tuple[str, ...]:
    """The instances that the text defines, in its order. Raises NotPlainError."""
    return tuple(element.name for element in _dictionary(text).elements)


def added(text: str, name: str, entry: Mapping[str, str]) -> str:
    """`text` with one more instance, the last. Raises NotPlainError, also when it is there already."""
    found = _dictionary(text)
    if name in (element.name for element in found.elements):
        raise NotPlainError(f"{name} is there already")
    new = _add(text, found, name, entry)
    if names(new) != (*names(text), name):
        raise NotPlainError("it cannot be read any more with the entry in it")
    return new


def removed(text: str, name: str) -> str:
    """`text` without the instance, with what stands beside it on its line. Raises NotPlainError, also when it is not there."""
    found = _dictionary(text)
    if name not in (element.name for element in found.elements):
        raise NotPlainError(f"{name} is not in it")
    new = _remove(text, found, name)
    if names(new) != tuple(other for other in names(text) if other != name):
        raise NotPlainError("it cannot be read any more without the entry")
    return new


def _add(text: str, found: _Dictionary, name: str, entry: Mapping[str, str]) -> str:
    last = found.elements[-1] if found.elements else None
    written = line(name, entry, last.quote if last else '"')
    margin = _margin(text, found.closed)
    if margin is not None:  # the brace has a line of its own
        begins = _margin(text, last.start) if last else None
        indent = begins if begins is not None else margin + _INDENT
        text = _put(text, found.closed - len(margin), f"{indent}{written}{found.newline}")
        return _put(text, last.value_end, ",") if last and not last.comma else text
    if last is None:
        return _put(text, found.opened, f"{found.newline}{_INDENT}{written}{found.newline}")
    if last.comma:
        return _put(text, last.end, f" {written}")
    begins = _margin(text, last.start)
    between = " " if begins is None else f"{found.newline}{begins}"
    return _put(text, last.value_end, f",{between}{written.removesuffix(',')}")


def _remove(text: str, found: _Dictionary, name: str) -> str:
    at = next(index for index, element in enumerate(found.elements) if element.name == name)
    element, others = found.elements[at], found.elements
    margin = _margin(text, element.start)
    rest = re.compile(r"[ \t]*(#[^\r\n]*)?(\r\n|\r|\n)").match(text, element.end)
    if margin is not None and rest is not None:
        return text[: element.start - len(margin)] + text[rest.end() :]
    start, end = element.start, element.end
    if at + 1 < len(others):
        if text[end : others[at + 1].start].isspace():
            end = others[at + 1].start
    elif at:
        before = others[at - 1]
        if text[before.end : start].isspace():
            start = before.end if element.comma else before.value_end
    return text[:start] + text[end:]


def _put(text: str, at: int, piece: str) -> str:
    return text[:at] + piece + text[at:]


def _margin(text: str, at: int) -> str | None:
    """What stands before `at` on its line when that is nothing but space; else None."""
    begin = max((match.end() for match in _LINE_END.finditer(text, 0, at)), default=0)
    before = text[begin:at]
    return before if begin and not before.strip(" \t") else None


def _quoted(value: str, quote: str) -> str:
    text = json.dumps(value)
    return text if quote == '"' or "'" in text or "\\" in text else f"'{text[1:-1]}'"


def _dictionary(text: str) -> _Dictionary:
    """The one dictionary that the text gives the name `instances`. Raises NotPlainError."""
    import libcst as cst  # a third of a second, which only an edit needs
    from libcst import matchers, metadata

    try:
        wrapper = metadata.MetadataWrapper(cst.parse_module(text), unsafe_skip_copy=True)
    except cst.ParserSyntaxError:
        raise NotPlainError("the file is not Python") from None
    module = wrapper.module
    assigned = [value for line in module.body if (value := _assigned(line)) is not None]
    mentions = matchers.findall(module, matchers.Name("instances"))
    if len(assigned) != 1 or len(mentions) != 1:
        raise NotPlainError("it is not given once, as one dictionary, and left at that")
    dictionary = assigned[0]
    if not isinstance(dictionary, cst.Dict):
        raise NotPlainError("it is no plain dictionary")
    spans = wrapper.resolve(metadata.ByteSpanPositionProvider)
    content = text.encode()

    def offset(place: int) -> int:
        return len(content[:place].decode())

    def start(node: cst.CSTNode) -> int:
        return offset(spans[node].start)

    def end(node: cst.CSTNode) -> int:
        return offset(spans[node].start + spans[node].length)

    elements = []
    for element in dictionary.elements:
        if not isinstance(element, cst.DictElement) or not isinstance(element.key, cst.SimpleString):
            raise NotPlainError("not every name in it is written out")
        key = element.key.evaluated_value
        if not isinstance(key, str):
            raise NotPlainError("not every name in it is text")
        comma = isinstance(element.comma, cst.Comma)
        stop = end(element)
        after = text.index(",", start(element.comma)) + 1 if isinstance(element.comma, cst.Comma) else stop
        elements.append(_Element(key, start(element), stop, after, comma, element.key.quote))
    if len({element.name for element in elements}) != len(elements):
        raise NotPlainError("a name stands in it twice")
    return _Dictionary(
        tuple(elements), text.index("{", start(dictionary.lbrace)) + 1, end(dictionary.rbrace) - 1, module.default_newline
    )


def _assigned(line: "cst.BaseStatement | cst.SimpleStatementLine") -> "cst.BaseExpression | None":
    """What a line of the module gives the name `instances`."""
    import libcst as cst

    if not isinstance(line, cst.SimpleStatementLine):
        return None
    for statement in line.body:
        if isinstance(statement, cst.Assign) and len(statement.targets) == 1:
            target: cst.BaseExpression = statement.targets[0].target
        elif isinstance(statement, cst.AnnAssign):
            target = statement.target
        else:
            continue
        if isinstance(target, cst.Name) and target.value == "instances":
            return statement.value
    return None
