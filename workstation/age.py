"""The only door to age: pyrage, and the age program where a passphrase must be asked for."""

import base64
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from desired.errors import SecretStop

_MAGIC = b"openssh-key-v1\0"


def encrypt(plaintext: bytes, recipients: Sequence[str]) -> bytes:
    """ASCII-armored age file for SSH public keys (`type base64`)."""
    import pyrage  # type: ignore[import-untyped]

    keys = [pyrage.ssh.Recipient.from_str(recipient) for recipient in recipients]
    return bytes(pyrage.encrypt(plaintext, keys, armored=True))


def decrypt(ciphertext: bytes, identity: Path, *, file: str, recipients: Sequence[str]) -> bytes:
    """The plaintext. A private key with a passphrase is used through `age -d`, which asks on the operator's terminal.

    `file` and `recipients` (whom the file is for, as far as known) are for the message. Raises SecretStop.
    """
    import pyrage

    try:
        key = pyrage.ssh.Identity.from_buffer(identity.read_bytes())
        return bytes(pyrage.decrypt(ciphertext, [key]))
    except OSError as error:
        raise SecretStop(f"{file}: the identity {identity} cannot be read: {error.strerror}") from None
    except pyrage.IdentityError as error:
        if "must be decrypted" in str(error):
            return _with_passphrase(ciphertext, identity, file)
        raise SecretStop(f"{file}: the identity {identity} is no SSH private key that age can use ({error})") from None
    except pyrage.DecryptError as error:
        if "No matching keys" in str(error):
            raise SecretStop(not_for(file, identity, recipients)) from None
        raise SecretStop(f"{file} is damaged ({error}); restore it from git") from None


def not_for(file: str, identity: Path, recipients: Sequence[str]) -> str:
    """The message when a file is for others than the identity."""
    listed = "".join(f"\n  {recipient}" for recipient in recipients) or " unknown"
    return (
        f"{file} does not open with the identity {identity}; set `identity` in group_data to the private key of one of its "
        f"recipients, or let one of them run this:{listed}"
    )


def public_key(identity: Path) -> str | None:
    """`type base64` of a private key, read without its passphrase; None when the file does not tell.

    OpenSSH keeps the public half in clear (PROTOCOL.key); older formats have it in the .pub file only.
    """
    try:
        text = identity.read_text(encoding="ascii")
        blob = base64.b64decode("".join(line for line in text.splitlines() if not line.startswith("-----")))
        if not blob.startswith(_MAGIC):
            return " ".join(Path(f"{identity}.pub").read_text(encoding="ascii").split()[:2])
        rest = blob[len(_MAGIC) :]
        for _ in ("cipher", "kdf", "kdf options"):
            _, rest = _string(rest)
        key, _ = _string(rest[4:])
        return f"{_string(key)[0].decode('ascii')} {base64.b64encode(key).decode('ascii')}"
    except (OSError, ValueError):
        return None


def _string(data: bytes) -> tuple[bytes, bytes]:
    end = 4 + int.from_bytes(data[:4])
    return data[4:end], data[end:]


def _with_passphrase(ciphertext: bytes, identity: Path, file: str) -> bytes:
    program = shutil.which("age")
    if program is None:
        raise SecretStop(
            f"{file}: the identity {identity} has a passphrase, and only the age program can ask for it: put `age` on the "
            "PATH, or set `identity` in group_data to a key without one"
        )
    # age asks on the terminal itself (/dev/tty), so its input can be the ciphertext; what it complains about, it says there.
    done = subprocess.run([program, "-d", "-i", str(identity)], input=ciphertext, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise SecretStop(
            f"{file}: age could not open it with the identity {identity} (its own message is above); a run without a "
            "terminal needs a key without a passphrase"
        )
    return done.stdout
