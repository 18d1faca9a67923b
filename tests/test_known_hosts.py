import subprocess
from pathlib import Path

import pytest

from desired.errors import HostStop
from tests.keys import keypair
from workstation.known_hosts import host_key


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    directory = tmp_path_factory.mktemp("keys")
    return {
        "ED1": keypair(directory, "ed1").public,
        "ED2": keypair(directory, "ed2").public,
        "RSA": keypair(directory, "rsa", "rsa").public,
        "ECDSA": keypair(directory, "ecdsa", "ecdsa").public,
    }


def recorded(path: Path, name: str) -> str | None:
    """What ssh-keygen finds: of its plain lines the ed25519 key, else the RSA one."""
    done = subprocess.run(["ssh-keygen", "-F", name, "-f", str(path)], capture_output=True, text=True, check=False)
    found = [line.split()[-2:] if line.split()[-1][:4] == "AAAA" else line.split()[1:3] for line in done.stdout.splitlines()
             if not line.startswith(("#", "@"))]  # fmt: skip
    for kind in ("ssh-ed25519", "ssh-rsa"):
        for fields in found:
            if fields[0] == kind:
                return " ".join(fields)
    return None


@pytest.mark.parametrize(
    ("text", "name", "port", "key"),
    [
        ("", "server", 22, None),
        ("# server ED1\n\n", "server", 22, None),
        ("server ED1\n", "server", 22, "ED1"),
        ("server ED1 a comment\n", "server", 22, "ED1"),
        ("  server\tED1  \r\n", "server", 22, "ED1"),
        ("server ED1\n", "SERVER", 22, "ED1"),
        ("server ED1\n", "serve", 22, None),
        ("server ED1\n", "server", 2222, None),
        ("[server]:2222 ED1\n", "server", 2222, "ED1"),
        ("[server]:2222 ED1\n", "server", 22, None),
        ("server,192.0.2.7 ED1\n", "192.0.2.7", 22, "ED1"),
        ("[192.0.2.7]:2222 ED1\n", "192.0.2.7", 2222, "ED1"),
        ("2001:db8::7 ED1\n", "2001:db8::7", 22, "ED1"),
        ("server RSA\nserver ED1\n", "server", 22, "ED1"),
        ("server RSA\n", "server", 22, "RSA"),
        ("server ECDSA\n", "server", 22, None),
        ("server ECDSA\nserver ED1\n", "server", 22, "ED1"),
        ("other ED2\nserver ED1\n", "server", 22, "ED1"),
        ("server ED1\nserver ED1\n", "server", 22, "ED1"),
        ("*.example.org ED1\n", "server.example.org", 22, "ED1"),
        ("*.example.org,!server.example.org ED1\n", "server.example.org", 22, None),
        ("!server.example.org,*.example.org ED1\n", "server.example.org", 22, None),
        ("serve? ED1\n", "server", 22, "ED1"),
        ("@cert-authority server ED1\n", "server", 22, None),
        ("@cert-authority * ED2\nserver ED1\n", "server", 22, "ED1"),
        ("@revoked server ED2\nserver ED1\n", "server", 22, "ED1"),
        ("server\n", "server", 22, None),
        ("server ssh-ed25519\n", "server", 22, None),
        ("|1|broken ED1\n", "server", 22, None),
        ("|1|AAAA|BBBB ED1\nserver ED2\n", "server", 22, "ED2"),
    ],
)
def test_lines(tmp_path: Path, keys: dict[str, str], text: str, name: str, port: int, key: str | None) -> None:
    for word, value in keys.items():
        text = text.replace(word, value)
    path = tmp_path / "known_hosts"
    path.write_text(text)
    wanted = keys[key] if key else None
    assert host_key(path, name, port) == wanted
    assert recorded(path, name.lower() if port == 22 else f"[{name}]:{port}") == wanted


@pytest.mark.parametrize(("name", "port"), [("server.example.org", 22), ("server.example.org", 2222), ("192.0.2.7", 22)])
def test_hashed_names(tmp_path: Path, keys: dict[str, str], name: str, port: int) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"{name if port == 22 else f'[{name}]:{port}'} {keys['ED1']}\nother {keys['ED2']}\n")
    subprocess.run(["ssh-keygen", "-H", "-f", str(path)], check=True, capture_output=True)
    assert name not in path.read_text()
    assert host_key(path, name, port) == keys["ED1"]
    assert host_key(path, name, 2223) is None


def test_a_revoked_key_is_no_key(tmp_path: Path, keys: dict[str, str]) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"server {keys['ED1']}\n@revoked * {keys['ED1']}\nserver {keys['RSA']}\n")
    assert host_key(path, "server") == keys["RSA"]


def test_two_different_keys_are_no_pin(tmp_path: Path, keys: dict[str, str]) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"server {keys['ED1']}\nserver {keys['ED2']}\n")
    with pytest.raises(HostStop, match="2 different ssh-ed25519 keys of server"):
        host_key(path, "server")


def test_no_file(tmp_path: Path) -> None:
    assert host_key(tmp_path / "known_hosts", "server") is None
