"""The rendered units, judged by systemd."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.nix.evaluation import Lab, available, instance, needs

#: storage stands on the loopback, and has a bridge.
S3 = {"backend": "s3", "enable": True, "s3": {"endpoint": "https://s3.example.org", "region": "eu", "bucket": "files"}}


@pytest.fixture
def units(lab: Lab, tmp_path: Path) -> Path:
    """A directory with the rendered units and the targets they name."""
    needs("systemd-analyze")
    directory = tmp_path / "units"
    directory.mkdir()
    lab.put("prod", instance("prod", 0, "full"))
    lab.put("dev", instance("dev", 1, "app", storage=S3, services=instance("dev", 1, "app")["services"] | {"imgproxy": False}))
    lab.secret("supabase-dev-s3backend", "ciphertext")
    for name, text in lab.evaluate(available())["system"]["units"].items():
        (directory / name).write_text(text)
    for target in ("postgresql", "multi-user", "network", "sockets", "sysinit", "basic", "shutdown"):
        (directory / f"{target}.target").write_text("[Unit]\nDescription=a target\n")
    return directory


def test_systemd_accepts_every_line(units: Path) -> None:
    """systemd ignores a line it does not understand with a log line: there must be none."""
    ours = sorted(str(p) for p in units.glob("supabase-*"))
    environment = os.environ | {"SYSTEMD_UNIT_PATH": f"{units}:", "SYSTEMD_LOG_LEVEL": "warning"}
    ran = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *ours], capture_output=True, text=True, check=False, env=environment
    )
    assert [line for line in ran.stderr.splitlines() if "supabase-" in line] == []
    broken = units / "supabase-prod.service"
    broken.write_text(broken.read_text().replace("ProtectSystem=strict", "ProtectSystem=srtict"))
    ran = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", broken], capture_output=True, text=True, check=False, env=environment
    )
    assert "srtict" in ran.stderr, "the check finds a mistake"


def test_exposure(units: Path) -> None:
    """systemd's own score of each service of an instance is at most 1.5 of 10."""
    if "--offline" not in subprocess.run(["systemd-analyze", "--help"], capture_output=True, text=True, check=True).stdout:
        pytest.skip("systemd-analyze security has no --offline")
    # Containers have podman's sandbox; the other two are root's, and end at once.
    root = {units / "supabase-way-back-boot.service", *units.glob("supabase-*-net.service")}
    native = {unit for unit in units.glob("supabase-*.service") if "podman run" not in unit.read_text()} - root
    kinds = {unit.stem.partition("-")[2].partition("-")[2] for unit in native}
    assert kinds == {"", "auth", "auth-bridge", "imgproxy", "meta-db", "realtime-db", "rest", "storage-bridge"}
    for service in sorted(native):
        ran = subprocess.run(
            ["systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", service],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout[-300:] + ran.stderr
