"""What we take as an operator's key, judged by age itself."""

import base64
from contextlib import suppress
from pathlib import Path

import pyrage  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired.recipients import usable_recipient
from tests.estates import OPERATOR
from tests.keys import keypair

CUT = "the key is cut off or damaged; copy the whole line of the .pub file"
BODY = OPERATOR.split()[1]
BLOB = base64.b64decode(BODY)


def age_takes(line: str) -> bool:
    try:
        pyrage.encrypt(b"x", [pyrage.ssh.Recipient.from_str(line)])
    except Exception:
        return False
    return True


def rsa(bits: int) -> str:
    """A key of the right form with an odd modulus; nobody has its private half."""
    return f"ssh-rsa {strings(b'ssh-rsa', bytes([1, 0, 1]), (2 ** (bits - 1) + 1).to_bytes(bits // 8 + 1))}"


def strings(*parts: bytes) -> str:
    """base64 of an SSH key of these parts."""
    return base64.b64encode(b"".join(len(part).to_bytes(4) + part for part in parts)).decode()


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_usable_keys(tmp_path: Path, kind: str) -> None:
    key = keypair(tmp_path, "key", kind).public
    for line in (key, f"{key} me@here", f"  {key}\t a long comment \n", key.replace(" ", "\t")):
        assert usable_recipient(line) == key
        assert age_takes(usable_recipient(line))


def test_keys_of_kinds_age_cannot_use(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^age has no support for ecdsa-sha2-nistp256; make one with `ssh-keygen -t ed25519`"):
        usable_recipient(keypair(tmp_path, "key", "ecdsa").public)


@pytest.mark.parametrize("form", ["RFC4716", "PEM"])
def test_a_private_key_is_refused_and_not_quoted(tmp_path: Path, form: str) -> None:
    text = keypair(tmp_path, "key", "rsa", form=form).private.read_text()
    with pytest.raises(ValueError, match="this is a private key, now in a text file: make a new pair") as caught:
        usable_recipient(text)
    assert not any(line in str(caught.value) for line in text.splitlines())


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "this is no SSH public key"),
        ("hello", "this is no SSH public key"),
        (BODY, "this is no SSH public key"),
        (f'from="10.0.0.1" {OPERATOR}', "this is no SSH public key"),
        ("ssh-ed25519", CUT),
        ("ssh-ed25519 ", CUT),
        ("ssh-ed25519 é", CUT),
        (f"ssh-ed25519 {BODY[:-1]}", CUT),
        (f"ssh-ed25519 {BODY[:-4]}", CUT),
        (f"ssh-ed25519 {BODY[:20]}", CUT),
        (f"ssh-ed25519 {BODY}AAAA", CUT),
        (f"ssh-ed25519 {strings(b'ssh-ed25519', bytes(31))}", CUT),
        (f"ssh-ed25519 {strings(b'ssh-ed25519', BLOB[-32:], b'')}", CUT),
        (f"ssh-rsa {BODY}", CUT),
        (f"ssh-rsa {strings(b'ssh-rsa', b'3')}", CUT),
        (f"ssh-rsa {strings(b'ssh-rsa', bytes([1, 0, 1]), bytes(256))}", CUT),
        (rsa(1024), "age takes RSA keys of 2048 to 4096 bits, this one has 1024"),
        (rsa(8192), "age takes RSA keys of 2048 to 4096 bits, this one has 8192"),
        (f"{OPERATOR}\n{OPERATOR}", "these are several lines; give one line of a .pub file an entry"),
        ("id_ed25519.pub", "this is the name of a file, not the key in it"),
        ("AGE-SECRET-KEY-1XYZ", "this is a private key"),
    ],
)
def test_reasons(line: str, reason: str) -> None:
    with pytest.raises(ValueError) as caught:
        usable_recipient(line)
    assert str(caught.value).startswith(reason)
    assert len(line) < 30 or line not in str(caught.value)


@pytest.mark.parametrize("bits", [1024, 2040, 2048, 3072, 4096, 4104, 8192])
def test_sizes_of_rsa_keys(bits: int) -> None:
    try:
        ours = bool(usable_recipient(rsa(bits)))
    except ValueError:
        ours = False
    assert ours == age_takes(rsa(bits))


@given(st.binary(min_size=32, max_size=32))
def test_age_takes_exactly_the_points_we_take(point: bytes) -> None:
    """Half of all 32 bytes are no point of the curve: age would only say so while the run encrypts."""
    line = f"ssh-ed25519 {strings(b'ssh-ed25519', point)}"
    try:
        ours = usable_recipient(line) == line
    except ValueError:
        ours = False
    assert ours == age_takes(line)


blobs = st.binary().map(lambda blob: f"ssh-rsa {base64.b64encode(blob).decode()}")


@given(st.text() | st.builds("ssh-ed25519 {}".format, st.text()) | blobs)
def test_what_we_take_age_takes(line: str) -> None:
    with suppress(ValueError):
        assert age_takes(usable_recipient(line))
