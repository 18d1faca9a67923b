import os
import pty
import subprocess
import time
from pathlib import Path

import pytest

from desired.errors import SecretStop
from tests.keys import KeyPair, keypair
from workstation import age

SECRET = b"the-plaintext-of-a-secret\n"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, KeyPair]:
    directory = tmp_path_factory.mktemp("keys")
    return {
        "one": keypair(directory, "one"),
        "rsa": keypair(directory, "rsa", "rsa"),
        "pem": keypair(directory, "pem", "rsa", form="PEM"),
        "locked": keypair(directory, "locked", passphrase="open sesame"),
        "other": keypair(directory, "other"),
        "ecdsa": keypair(directory, "ecdsa", "ecdsa"),
    }


def opened(content: bytes, identity: Path) -> bytes:
    return age.decrypt(content, identity, file="secrets/x.age", recipients=["ssh-ed25519 AAAA"])


def test_every_recipient_opens_it_with_pyrage_and_with_age(keys: dict[str, KeyPair]) -> None:
    recipients = [keys[name].public for name in ("one", "rsa", "pem")]
    content = age.encrypt(SECRET, recipients)
    assert content.startswith(b"-----BEGIN AGE ENCRYPTED FILE-----\n")
    assert SECRET.strip() not in content
    assert content != age.encrypt(SECRET, recipients)
    for name in ("one", "rsa", "pem"):
        identity = keys[name].private
        assert opened(content, identity) == SECRET
        assert subprocess.run(["age", "-d", "-i", identity], input=content, capture_output=True, check=True).stdout == SECRET


def test_what_age_made_opens(keys: dict[str, KeyPair]) -> None:
    for armor in ([], ["-a"]):
        content = subprocess.run(["age", *armor, "-r", keys["one"].public], input=SECRET, capture_output=True, check=True).stdout
        assert opened(content, keys["one"].private) == SECRET


def test_a_key_that_is_no_recipient(keys: dict[str, KeyPair]) -> None:
    content = age.encrypt(SECRET, [keys["one"].public])
    with pytest.raises(SecretStop) as caught:
        opened(content, keys["other"].private)
    for word in ("secrets/x.age", str(keys["other"].private), "ssh-ed25519 AAAA"):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "cannot be read: No such file"),
        ("", "no SSH private key"),
        ("ssh-ed25519 AAAA\n", "no SSH private key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", "no SSH private key"),
    ],
)
def test_what_is_no_identity(keys: dict[str, KeyPair], tmp_path: Path, text: str | None, problem: str) -> None:
    identity = tmp_path / "identity"
    if text is not None:
        identity.write_text(text)
    with pytest.raises(SecretStop, match=problem):
        opened(age.encrypt(SECRET, [keys["one"].public]), identity)
    assert age.public_key(identity) is None


def test_damage_anywhere(keys: dict[str, KeyPair]) -> None:
    content = age.encrypt(SECRET, [keys["one"].public])
    cuts = [content[:end] for end in (0, 1, 34, 35, 100, 200, 300, len(content) // 2, len(content) - 40, len(content) - 2)]
    turned = [content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :] for at in range(40, len(content) - 36, 37)]
    for damaged in cuts + turned:
        if damaged.replace(b"\r", b"").split() == content.split():
            continue
        with pytest.raises(SecretStop, match=r"secrets/x\.age (is damaged|does not open)") as caught:
            opened(damaged, keys["one"].private)
        assert SECRET.decode().strip() not in str(caught.value)


def test_public_keys_are_read_without_a_passphrase(keys: dict[str, KeyPair], tmp_path: Path) -> None:
    for name in ("one", "rsa", "locked", "ecdsa", "pem"):
        assert age.public_key(keys[name].private) == keys[name].public
    bare = tmp_path / "locked"
    bare.write_bytes(keys["locked"].private.read_bytes())
    assert age.public_key(bare) == keys["locked"].public
    bare.write_bytes(keys["pem"].private.read_bytes())
    assert age.public_key(bare) is None


def with_terminal(content: bytes, identity: Path, typed: bytes) -> tuple[str, str]:
    """What `decrypt` gives or says in a process with a terminal, and what stood on that terminal."""
    reader, writer = os.pipe()
    pid, terminal = pty.fork()
    if pid == 0:
        try:
            os.write(writer, b"opened:" + opened(content, identity))
        except SecretStop as stop:
            os.write(writer, str(stop).encode())
        finally:
            os._exit(0)
    os.close(writer)
    shown, deadline = b"", time.monotonic() + 20
    while b"assphrase" not in shown and time.monotonic() < deadline:
        shown += os.read(terminal, 1000)
    time.sleep(0.1)  # the prompt stands before age has switched echo off
    os.write(terminal, typed + b"\n")
    with open(reader, "rb") as pipe:
        result = pipe.read().decode()
    os.waitpid(pid, 0)
    os.close(terminal)
    return result, shown.decode()


def test_a_passphrase_is_asked_for_on_the_terminal(keys: dict[str, KeyPair]) -> None:
    content = age.encrypt(SECRET, [keys["locked"].public])
    assert with_terminal(content, keys["locked"].private, b"open sesame")[0] == "opened:" + SECRET.decode()
    result, shown = with_terminal(content, keys["locked"].private, b"open barley")
    assert "age could not open it" in result
    assert SECRET.decode().strip() not in result + shown


def test_no_terminal_for_a_passphrase(keys: dict[str, KeyPair]) -> None:
    content = age.encrypt(SECRET, [keys["locked"].public])
    pid = os.fork()
    if pid == 0:
        os.setsid()
        try:
            opened(content, keys["locked"].private)
        except SecretStop as stop:
            os._exit(0 if "without a terminal" in str(stop) else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_no_age_program(keys: dict[str, KeyPair], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SecretStop, match="put `age` on the PATH"):
        opened(age.encrypt(SECRET, [keys["locked"].public]), keys["locked"].private)
