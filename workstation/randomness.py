"""The only door to randomness: the operating system's, fit for keys."""

import secrets


def entropy(size: int) -> bytes:
    """`size` bytes that nobody can foresee."""
    return secrets.token_bytes(size)
