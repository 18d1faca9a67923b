"""Status and keys in a fresh clone: the sandbox before its first run, after it, and without its PostgreSQL."""

import json
import sys
from pathlib import Path
from typing import Any

from tests.test_sandbox import Clone


def status(clone: Clone) -> tuple[int, dict[str, Any]]:
    done = clone.run(sys.executable, "-m", "reports.status", "--json")
    document: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, document


def pending(document: dict[str, Any]) -> set[str]:
    (host,) = document["hosts"]
    return {f"host: {text}" for text in host["pending"] or ()} | {
        f"{item['name']}: {text}" for item in host["instances"] for text in item["pending"] or ()
    }


def test_a_fresh_clone(tmp_path: Path) -> None:
    clone = Clone(tmp_path / "clone")
    before = clone.files()
    code, document = status(clone)
    assert (code, document["state"]) == (1, "unhealthy")
    assert "`just deploy` starts it" in document["hosts"][0]["problems"][0]
    assert pending(document) == set(clone.pyinfra("--dry").changes)
    assert clone.files() == before
    try:
        assert clone.pyinfra("-y").status == 0
        code, document = status(clone)
        (host,) = document["hosts"]
        assert (code, host["state"], host["postgresql"]["answers"]) == (0, "healthy", True)
        assert [(item["name"], item["state"], item["database"]["exists"]) for item in host["instances"]] == [
            ("dev", "healthy", True),
            ("prod", "healthy", True),
        ]
        assert pending(document) == set()
        assert document["orphans"] == []
        keys = clone.run(sys.executable, "-m", "reports.keys", "prod", "--service").stdout.splitlines()
        assert keys[1] == f"SUPABASE_ANON_KEY={clone.decrypted('supabase-prod-anon')}"
        assert keys[2] == f"SUPABASE_SERVICE_ROLE_KEY={clone.decrypted('supabase-prod-service')}"
        assert "no gateway and no services to ask" in clone.run(sys.executable, "-m", "reports.status").stdout
        clone.pyinfra("-y", script="tasks/sandbox_stop.py")
        code, document = status(clone)
        assert (code, document["state"]) == (1, "unhealthy")
        assert {item["state"] for item in document["hosts"][0]["instances"]} == {"unknown"}
        assert pending(document) == set(clone.pyinfra("--dry").changes) == {"host: start PostgreSQL server"}
    finally:
        clone.pyinfra("-y", script="tasks/sandbox_reset.py")
