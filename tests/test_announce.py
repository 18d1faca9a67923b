import logging
from collections import defaultdict
from collections.abc import Iterator

import pytest
from pyinfra import logger
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from desired.changes import Change
from operations import announce as module
from operations.announce import announce, announced, note


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What pyinfra's logger prints, without colours."""
    found: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    monkeypatch.setattr(module, "_said", defaultdict(list))
    monkeypatch.setattr(module, "_changes", defaultdict(list))
    monkeypatch.setattr(module, "format_text", lambda text, *colours: text)
    monkeypatch.setattr(Host, "print_prefix", "")
    handler, level = Keep(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield found
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.fixture
def hosts() -> tuple[Host, Host]:
    inventory = Inventory((["one", "two"], {}))  # type: ignore[no-untyped-call]
    return inventory.get_host("one"), inventory.get_host("two")


START = Change("prod", "start", "supabase-prod.service")
SECRET = Change("dev", "create", "supabase-dev-jwt.age")
REBUILD = Change(None, "rebuild", "the system", "instances dev")
REMOVE = Change(None, "remove", "file __old.nix")


def test_the_host_first_then_instance_by_instance(lines: list[str], hosts: tuple[Host, Host]) -> None:
    announce(hosts[0], [START, SECRET, REBUILD, REMOVE])
    assert lines == [
        "~ host: rebuild the system (instances dev)",
        "- host: remove file __old.nix",
        "+ dev: create supabase-dev-jwt.age",
        "+ prod: start supabase-prod.service",
    ]


def test_every_change_once_a_host(lines: list[str], hosts: tuple[Host, Host]) -> None:
    """pyinfra runs an operation's body a second time when it executes."""
    for changes in ([START], [START, REBUILD], [], [REBUILD, START]):
        announce(hosts[0], changes)
    assert lines == ["+ prod: start supabase-prod.service", "~ host: rebuild the system (instances dev)"]
    announce(hosts[1], [START])
    assert len(lines) == 3
    assert announced(hosts[0]) == (START, REBUILD)
    assert announced(hosts[1]) == (START,)


def test_a_note_is_no_change(lines: list[str], hosts: tuple[Host, Host]) -> None:
    for _ in range(2):
        note(hosts[0], "! old: kept")
    assert lines == ["! old: kept"]
    assert announced(hosts[0]) == ()
