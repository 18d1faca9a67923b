"""Searching for secrets without spreading them: patterns go to grep on its stdin, findings come back as names."""

import base64
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.host import Machine


def encodings(value: str) -> set[str]:
    """A value as it stands in text: itself, in hex, and in base64 and base64url wherever in the encoded text it begins."""
    raw = value.encode()
    found = {value, raw.hex(), raw.hex().upper()}
    for offset in range(3):
        # the characters that the bytes before and after have a part in are left out
        text = base64.b64encode(b"\0" * offset + raw).decode().rstrip("=")
        text = text[(0, 2, 3)[offset] : len(text) if (offset + len(raw)) % 3 == 0 else -1]
        found |= {text, text.replace("+", "-").replace("/", "_")}
    return found


class Needles:
    """`values`: name to value. Every encoding of each is looked for; a finding gives the name alone."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._names = {text: name for name, value in values.items() for text in encodings(value)}

    @property
    def patterns(self) -> str:
        """For `grep -F -f`."""
        return "".join(f"{text}\n" for text in self._names)

    @property
    def count(self) -> int:
        return len(self._names)

    def named(self, matches: Iterable[str]) -> set[str]:
        return {self._names[match] for match in matches if match in self._names}

    def in_text(self, text: str) -> set[str]:
        return {name for pattern, name in self._names.items() if pattern in text}

    def in_bytes(self, chunks: Iterable[bytes]) -> set[str]:
        """In any of the chunks."""
        encoded = {pattern.encode(): name for pattern, name in self._names.items()}
        return {name for chunk in chunks for pattern, name in encoded.items() if pattern in chunk}

    def on(self, machine: Machine, command: str, timeout: float = 120) -> set[str]:
        """In what `command` finds on a machine: shell text with `grep $SEARCH`, to which paths, or - for its input, are added."""
        script = f'SEARCH="-raohF -f /dev/fd/3"; exec 3<&0 </dev/null; {{ {command}; }} 2>/dev/null | LC_ALL=C sort -u'
        return self.named(machine.run(f"export LC_ALL=C; {script}", stdin=self.patterns, timeout=timeout).stdout.splitlines())

    def under(self, *paths: Path, newer: Path | None = None) -> set[str]:
        """In files of this machine; with `newer` those alone that were written after that file was."""
        since = ["-newer", str(newer)] if newer else []
        find = ["find", *map(str, paths), "-xdev", "-type", "f", *since, "-print0"]
        files = subprocess.run(find, check=False, capture_output=True).stdout
        listed = [path for path in files.split(b"\0") if path]
        found: set[str] = set()
        for path in listed:
            try:
                found |= self.in_bytes([Path(path.decode()).read_bytes()])
            except OSError:
                continue
        return found


class Sampler:
    """Arguments and environments of processes, read as fast as /proc gives them; the guests' processes are among ours."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self.rounds = 0
        self._stop = threading.Event()

    def _run(self) -> None:
        while not self._stop.is_set():
            for process in Path("/proc").iterdir():
                if not process.name.isdigit():
                    continue
                for name in ("cmdline", "environ"):
                    with suppress(OSError):
                        self.seen.add((process / name).read_bytes())
            self.rounds += 1


@contextmanager
def sampled() -> Iterator[Sampler]:
    """While the block runs, every process of this machine and of the test hosts on it is looked at again and again."""
    sampler = Sampler()
    thread = threading.Thread(target=sampler._run)
    thread.start()
    try:
        yield sampler
    finally:
        sampler._stop.set()
        thread.join()
