"""All numbers of all 600 slots."""

from itertools import product

import pytest

from desired.numbers import INTERNAL, SLOTS, internal, public_port, service_kinds

#: Users that build for Nix on NixOS and on other systems; DynamicUser of systemd.
NIX_BUILD_USERS, DYNAMIC_USERS = range(30001, 30200), range(61184, 65520)
#: Linux' ports of outgoing connections (ip_local_port_range).
OUTGOING = range(32768, 61000)


def test_no_two_services_share_a_number() -> None:
    numbers = [internal(slot, service) for slot, service in product(range(SLOTS), service_kinds())]
    assert SLOTS == 600
    assert len(numbers) == len(set(numbers)) == 600 * 8
    assert set(numbers) <= set(INTERNAL)


def test_the_ranges_lie_apart() -> None:
    public = {public_port(slot) for slot in range(SLOTS)}
    assert len(public) == SLOTS
    for others in (public, NIX_BUILD_USERS, DYNAMIC_USERS, OUTGOING):
        assert not set(INTERNAL) & set(others)
    assert not public & set(OUTGOING)
    assert min(public) >= 1024
    assert 5432 not in public


def test_contract() -> None:
    assert public_port(0) == 8000
    assert [internal(3, service) for service in ("gateway", "rest", "imgproxy")] == [20048, 20049, 20055]
    with pytest.raises(KeyError):
        internal(0, "kong")
