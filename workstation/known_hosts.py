"""Host keys as the user recorded them in known_hosts (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT): the pin and the recipient."""

import base64
import binascii
import fnmatch
import hmac
from collections.abc import Iterator
from pathlib import Path

from desired.errors import HostStop
from desired.recipients import USABLE
from workstation import files


def host_key(path: Path, hostname: str, port: int = 22) -> str | None:
    """The host's public key, `type base64`: ssh-ed25519, else ssh-rsa (what age can use), else None.

    A key that a @revoked line names is no key. Raises HostStop when two different keys of one type are recorded.
    """
    content = files.read(path)
    if content is None:
        return None
    name = hostname.lower() if port == 22 else f"[{hostname.lower()}]:{port}"
    trusted: set[str] = set()
    revoked: set[str] = set()
    for marker, hosts, key in _entries(content.decode("utf-8", "replace")):
        if _covers(hosts, name):
            (revoked if marker == "@revoked" else trusted).add(key)
    for kind in USABLE:
        keys = sorted(key for key in trusted - revoked if key.startswith(kind + " "))
        if len(keys) > 1:
            raise HostStop(
                f"{path}: {len(keys)} different {kind} keys of {name}; compare with the host's console "
                "(`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`) and remove the wrong line"
            )
        if keys:
            return keys[0]
    return None


def _entries(text: str) -> Iterator[tuple[str, str, str]]:
    """(marker or "", hosts field, `type base64`) of every line that records a key of a host."""
    for line in text.splitlines():
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        marker = fields.pop(0) if fields[0].startswith("@") else ""
        if len(fields) >= 3 and marker in ("", "@revoked"):
            yield marker, fields[0], f"{fields[1]} {fields[2]}"


def _covers(hosts: str, name: str) -> bool:
    """Whether a hosts field means `name`: hashed, or patterns of which none may be a matching negation."""
    if hosts.startswith("|1|"):
        return _hashed(hosts, name)
    found = False
    for pattern in hosts.lower().split(","):
        negated = pattern.startswith("!")
        # fnmatch reads [...] as a set; in known_hosts brackets are literal.
        if fnmatch.fnmatchcase(name, pattern.removeprefix("!").replace("[", "[[]")):
            if negated:
                return False
            found = True
    return found


def _hashed(hosts: str, name: str) -> bool:
    try:
        salt, wanted = (base64.b64decode(part, validate=True) for part in hosts.split("|")[2:4])
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(hmac.digest(salt, name.encode(), "sha1"), wanted)
