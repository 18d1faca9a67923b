"""SSH key pairs made by ssh-keygen."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class KeyPair:
    """`private`: the file; `public`: `type base64` without the comment."""

    private: Path
    public: str


def keypair(directory: Path, name: str, kind: str = "ed25519", passphrase: str = "", form: str = "RFC4716") -> KeyPair:
    """`form`: RFC4716 is OpenSSH's own, PEM the older one."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    options = ["-m", form, *(["-b", "2048"] if kind == "rsa" else [])]
    command = ["ssh-keygen", "-q", "-t", kind, *options, "-N", passphrase, "-C", f"{name}@test", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return KeyPair(path, " ".join(path.with_name(f"{name}.pub").read_text().split()[:2]))
