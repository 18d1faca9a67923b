"""An estate that was found right is taken as it was, as long as nothing that it was made from is another."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from desired.sources import HostInput, Layer
from tests.estates import HOST_KEY, OPERATOR, estate, source
from tests.project import ROOT
from workstation import cache, validated

MAIL = {"host": "smtp.example.org", "user": "me", "sender": "me@example.org"}
BUCKET = {"endpoint": "https://s3.example.org", "region": "eu", "bucket": "files"}
RICH: Mapping[str, Any] = {
    "prod": {
        "auth": {"redirect_urls": ["https://a.example.org/**", "app://login"], "site_url": "https://a.example.org"},
        "smtp": MAIL,
        "storage": {"backend": "s3", "s3": BUCKET},
        "environment": {"auth": {"GOTRUE_X": "grüezi\u2028"}},
        "secret_environment": {"auth": "more"},
        "database": {"user": "someone"},
        "limits": {"memory": 1024},
    },
    "dev": {"enable": False, "profile": "api", "port": 9000, "jwt_secret": "mine"},
}


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    return tmp_path / "caches"


@pytest.mark.parametrize("instances", [{}, {"prod": {}}, RICH], ids=["none", "defaults", "rich"])
def test_it_comes_back_as_it_was(tmp_path: Path, instances: Mapping[str, Any]) -> None:
    other: dict[str, Any] = {"flake": "/etc/nixos#cloud", "edge": "caddy", "acme_email": "me@example.org", "host_memory": 65536}
    found = estate(source(instances), source({"other": {}}, name="second", domain="example.com", **other))
    assert validated.recall(tmp_path, "question") is None
    validated.keep(tmp_path, "question", found)
    assert validated.recall(tmp_path, "question") == found
    assert validated.recall(tmp_path, "another") is None


@pytest.mark.parametrize("answer", [None, 5, [5], [{}], [{"instances": [{}], "operators": []}], {"x": 1}])
def test_what_is_no_estate(tmp_path: Path, answer: object) -> None:
    cache.keep(tmp_path, validated._ABOUT, "question", answer)
    assert validated.recall(tmp_path, "question") is None


def asked(*sources: HostInput, held: Mapping[str, Mapping[str, int]] = {}, others: tuple[str, ...] = ("ssh_user",)) -> str | None:
    return validated.question(sources, held, others)


def test_every_input_counts() -> None:
    def layered(*layers: Layer) -> HostInput:
        return HostInput("server", layers, HOST_KEY)

    one, two = Layer("a.py", {"domain": "example.org"}), Layer("b.py", {"domain": "example.com"})
    questions = [
        asked(source({"prod": {}})),
        asked(source({"prod": {"enable": True}})),
        asked(source({"prod": {"enable": 1}})),
        asked(source({"prod": {}}, domain="example.com")),
        asked(source({"prod": {}}, name="another")),
        asked(source({"prod": {}}, file="group_data/other.py")),
        asked(source({"prod": {}}, key=OPERATOR)),
        asked(source({"prod": {}}, key=None)),
        asked(source({"prod": {}}, operators=(OPERATOR,))),
        asked(source({"prod": {}}, ssh_user="root")),
        asked(source({"prod": {}}, wrong_key=None)),
        asked(source({"prod": {}}), source({}, name="another")),
        asked(source({"prod": {}}), held={"server": {"prod": 0}}),
        asked(source({"prod": {}}), held={"server": {"prod": 1}}),
        asked(source({"prod": {}}), others=()),
        asked(layered(one, two)),
        asked(layered(two, one)),
        asked(layered(Layer("a.py", two.data), Layer("b.py", one.data))),
    ]
    assert None not in questions
    assert len(set(questions)) == len(questions)
    assert asked(source({"prod": {}})) == questions[0]
    for key in ("ssh_user", "_sudo_password", "_helper"):
        given: list[dict[str, Any]] = [{key: "root"}, {key: print}]
        same = [asked(source({"prod": {}}, **values)) for values in given]
        assert same[0] == same[1] not in (None, questions[0]), "somebody else's value"


@pytest.mark.parametrize("value", [print, Path("/"), type("Text", (str,), {})("info"), {"x": object()}])
def test_what_is_no_plain_data_is_not_kept(value: object) -> None:
    assert asked(source({"prod": {"log_level": value}})) is None


def test_a_run_with_the_same_group_data_does_not_load_what_reads_it(tmp_path: Path, caches: Path) -> None:
    """Nor does a dry run write."""
    (tmp_path / "group_data").mkdir()
    (tmp_path / "inventory.py").write_text('lab = [("one", {"ssh_paramiko_connect_kwargs": {"transport_factory": print}})]\n')
    (tmp_path / "known_hosts").write_text(f"one {HOST_KEY}\n")
    group = tmp_path / "group_data/lab.py"
    text = f"domain = 'example.org'\noperators = ['{OPERATOR}']\ninstances = {RICH!r}\n"
    group.write_text(text)
    program = """if True:
        import json, sys
        from pathlib import Path
        from tests.loading import answer
        found = answer(Path.cwd())
        print(json.dumps(found), "pydantic" in sys.modules)
    """

    def run(*arguments: str) -> tuple[Any, str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", program, *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        found, loaded = done.stdout.rsplit(" ", 1)
        return json.loads(found), loaded.strip()

    dry, loaded = run("--dry")
    assert loaded == "True"
    assert not caches.exists()
    assert run() == (dry, "True")
    assert run() == run("--dry") == (dry, "False")
    group.write_text(text.replace("9000", "80"))
    (stop, loaded) = run()
    assert loaded == "True"
    assert stop["stop"][0] == "Invalid"
    group.write_text(text)
    assert run() == (dry, "False")
    (tmp_path / "slots.json").write_text(json.dumps({"one": {"dev": 7, "prod": 9}}))
    found, loaded = run()
    assert loaded == "True"
    assert found["hosts"]["one"]["slots"] == {"dev": 7, "prod": 9}
