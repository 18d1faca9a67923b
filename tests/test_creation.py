from typing import Any

import pytest

from desired.creation import check_again, placed
from desired.errors import Invalid
from desired.validation import validate
from tests.estates import FILE, source

ONE = source({"prod": {"subdomain": "api"}}, name="one", file="group_data/one.py")
TWO = source({}, name="two", file="group_data/two.py")
BARE = source(..., name="bare", file="group_data/bare.py")


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({}, "instance: name the new instance"),
        ({"instance": True}, "instance = True: must be a name"),
        ({"instance": [1]}, "instance: must be a name"),
        ({"instance": "dev", "domain": "x"}, "domain: unknown key"),
        ({"instance": "dev"}, r"host: several could take it; name one: --data host=... \(one, two\)"),
        ({"instance": "dev", "host": "three"}, "host = 'three': no host that could take it; these could: one, two"),
        ({"instance": "prod", "host": "two"}, "host = 'two': no host that could take it; these could: one"),
    ],
)
def test_what_is_no_place(asked: dict[str, Any], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        placed([ONE, TWO, BARE], asked)


@pytest.mark.parametrize("asked", [{"instance": "dev"}, {"instance": "dev", "host": "bare"}])
def test_no_host_has_instances(asked: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match=r"`instances` in group_data; give its group a file with  instances = \{\}"):
        placed([BARE], asked)


def test_the_only_host_takes_it() -> None:
    placement = placed([ONE, BARE], {"instance": "dev", "subdomain": "x"})
    assert (placement.host, placement.file, placement.new) == ("one", "group_data/one.py", True)
    assert placement.inputs[0].value("instances") == {"prod": {"subdomain": "api"}, "dev": {"subdomain": "x"}}
    assert ONE.value("instances") == {"prod": {"subdomain": "api"}}


def test_the_entry_reaches_every_host_of_the_file() -> None:
    hosts = [source({}, name="one"), source({}, name="two")]
    placement = placed(hosts, {"instance": "dev", "host": "two"})
    assert placement.file == FILE
    with pytest.raises(Invalid, match="claimed by two hosts"):
        validate(placement.inputs, {})


def test_one_that_is_there_keeps_its_entry() -> None:
    for asked in ({"instance": "prod"}, {"instance": "prod", "subdomain": "api"}, {"instance": "prod", "host": "one"}):
        placement = placed([ONE, TWO], asked)
        assert (placement.host, placement.new, placement.inputs) == ("one", False, (ONE, TWO))
        check_again(placement, validate(placement.inputs, {}).instances[0])
    other = placed([ONE, TWO], {"instance": "prod", "subdomain": "other"})
    with pytest.raises(Invalid, match=r"subdomain = 'other': prod is there already, as https://api.example.org"):
        check_again(other, validate(other.inputs, {}).instances[0])
