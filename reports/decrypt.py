"""Print one secret, for a machine without the age program:  python -m reports.decrypt -i IDENTITY FILE.age"""

import argparse
import sys
from pathlib import Path

from desired.errors import SecretStop
from workstation import age


def main() -> int:
    """0 with the plaintext on standard output; 1 with the reason on standard error."""
    parser = argparse.ArgumentParser(prog="python -m reports.decrypt", description="Decrypt one secret to standard output.")
    parser.add_argument("-i", "--identity", type=Path, default=Path("~/.ssh/id_ed25519"), help="an operator's private SSH key")
    parser.add_argument("file", type=Path, help="the .age file")
    arguments = parser.parse_args()
    try:
        plaintext = age.decrypt(
            arguments.file.read_bytes(), arguments.identity.expanduser(), file=str(arguments.file), recipients=()
        )
    except OSError as error:
        print(f"{arguments.file}: {error.strerror}", file=sys.stderr)
        return 1
    except SecretStop as stop:
        print(stop, file=sys.stderr)
        return 1
    sys.stdout.buffer.write(plaintext)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
