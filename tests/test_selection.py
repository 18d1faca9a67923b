from typing import Any

import pytest

from desired.errors import Invalid
from desired.selection import selected_instance

KNOWN = ("prod", "dev")


@pytest.mark.parametrize(("overrides", "name"), [({}, None), ({"instance": "prod"}, "prod"), ({"instance": "dev"}, "dev")])
def test_what_is_selected(overrides: dict[str, Any], name: str | None) -> None:
    assert selected_instance(overrides, KNOWN) == name


@pytest.mark.parametrize(
    ("overrides", "lines"),
    [
        ({"instance": ""}, ["instance = '': no host has this instance; known: dev, prod"]),
        ({"instance": "prd"}, ["instance = 'prd': no host has this instance; known: dev, prod"]),
        ({"instance": "PROD"}, ["instance = 'PROD': no host has this instance; known: dev, prod"]),
        ({"instance": " prod"}, ["instance = ' prod': no host has this instance; known: dev, prod"]),
        ({"instance": "prod,dev"}, ["instance = 'prod,dev': no host has this instance; known: dev, prod"]),
        ({"instance": True}, ["instance = True: no host has this instance; known: dev, prod"]),
        ({"instance": None}, ["instance = None: no host has this instance; known: dev, prod"]),
        ({"instance": 5}, ["instance = 5: no host has this instance; known: dev, prod"]),
        ({"instance": ["prod"]}, ["instance: no host has this instance; known: dev, prod"]),
        ({"instance": {"prod": 1}}, ["instance: no host has this instance; known: dev, prod"]),
        ({"instnace": "prod"}, ["instnace: unknown key; did you mean instance?"]),
        ({"instances": "prod"}, ["instances: unknown key; did you mean instance?"]),
        ({"Instance": "prod"}, ["Instance: unknown key; did you mean instance?"]),
        ({"host": "x"}, ["host: unknown key; known: instance"]),
        ({"a\nb": "x"}, [r"'a\nb': unknown key; known: instance"]),
        ({"ssh_user": "root"}, ["ssh_user: unknown key; known: instance"]),
        (
            {"instance": "tset", "confrim": "tset"},
            ["confrim: unknown key; known: instance", "instance = 'tset': no host has this instance; known: dev, prod"],
        ),
    ],
)
def test_refusals(overrides: dict[str, Any], lines: list[str]) -> None:
    with pytest.raises(Invalid) as caught:
        selected_instance(overrides, KNOWN)
    assert [str(mistake) for mistake in caught.value.mistakes] == [f"--data: {line}" for line in lines]


def test_a_deploy_file_may_read_more_keys() -> None:
    assert selected_instance({"instance": "prod", "confirm": "prod"}, KNOWN, keys=("instance", "confirm")) == "prod"
    with pytest.raises(Invalid, match=r"confrim: unknown key; did you mean confirm\?"):
        selected_instance({"confrim": "prod"}, KNOWN, keys=("instance", "confirm"))


def test_no_instance_at_all() -> None:
    with pytest.raises(Invalid, match="no host has this instance; known: none"):
        selected_instance({"instance": "prod"}, ())
