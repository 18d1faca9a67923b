import base64
import subprocess
from pathlib import Path

import pytest

from desired import age_file
from tests.keys import keypair
from workstation import age


@pytest.fixture(scope="module")
def recipients(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    directory = tmp_path_factory.mktemp("keys")
    return [keypair(directory, "one").public, keypair(directory, "two", "rsa").public]


def test_a_whole_file_tells_for_whom_it_is(recipients: list[str]) -> None:
    for keys in (recipients, recipients[:1], recipients[1:]):
        content = age.encrypt(b"secret\n", keys)
        assert age_file.parse(content) == age_file.AgeFile(True, age_file.tags(keys))


def test_files_of_the_age_program(recipients: list[str], tmp_path: Path) -> None:
    options = [option for recipient in recipients for option in ("-r", recipient)]
    for armor in ([], ["-a"]):
        content = subprocess.run(["age", *armor, *options], input=b"secret\n", capture_output=True, check=True).stdout
        assert age_file.parse(content) == age_file.AgeFile(bool(armor), age_file.tags(recipients))
    assert age_file.parse(content.replace(b"\n", b"\r\n")).armored


def test_other_recipient_types_are_seen(recipients: list[str]) -> None:
    native = subprocess.run(["age-keygen"], capture_output=True, text=True, check=True).stdout
    public = next(line.split()[-1] for line in native.splitlines() if "public key" in line)
    content = subprocess.run(["age", "-r", public, "-r", recipients[0]], input=b"x", capture_output=True, check=True).stdout
    assert age_file.parse(content).tags > age_file.tags(recipients[:1])


def test_every_cut_is_seen(recipients: list[str]) -> None:
    armored = age.encrypt(b"secret\n", recipients)
    for end in range(len(armored) - 1):
        with pytest.raises(ValueError, match=r"empty|not an age file|cut off|base64"):
            age_file.parse(armored[:end])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"postgresql://supabase_prod:plain@localhost:5432/supabase_prod\n",
        b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
        b"-----BEGIN AGE ENCRYPTED FILE-----\n*\n-----END AGE ENCRYPTED FILE-----\n",
        b"-----BEGIN AGE ENCRYPTED FILE-----\n" + base64.b64encode(b"nothing") + b"\n-----END AGE ENCRYPTED FILE-----\n",
        b"age-encryption.org/v2\n",
        b"age-encryption.org/v1\n-> ssh-ed25519 AAAA BBBB\n",
        b"<<<<<<< HEAD\n-----BEGIN AGE ENCRYPTED FILE-----\n",
        bytes(range(256)),
    ],
)
def test_what_is_no_age_file(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"empty|not an age file|cut off|base64"):
        age_file.parse(content)
