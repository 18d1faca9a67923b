from workstation import randomness


def test_as_many_bytes_as_wanted_never_the_same() -> None:
    assert randomness.entropy(0) == b""
    assert len({randomness.entropy(16) for _ in range(1000)}) == 1000
    assert len(randomness.entropy(48)) == 48
