"""The estate that was found right last, so that unchanged group_data need not be validated again: that takes 0.1 s."""

import hashlib
import marshal
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from desired.estate import Estate, Host
from desired.instance import Instance
from desired.sources import HostInput, Layer
from workstation import cache

_ABOUT = "what group_data says"


def question(inputs: Iterable[HostInput], held: Mapping[str, Mapping[str, int]], others: Collection[str]) -> str | None:
    """A digest of all that `desired.validation.validate` looks at; None where a value is no plain data."""
    said = [(item.name, item.host_key, [_layer(layer, others) for layer in item.layers]) for item in inputs]
    slots = [(host, list(instances.items())) for host, instances in held.items()]
    with suppress(ValueError):
        return hashlib.sha256(marshal.dumps((said, slots, sorted(others)), 2)).hexdigest()
    return None


def _layer(layer: Layer, others: Collection[str]) -> tuple[str, list[tuple[str, object]]]:
    """Without the values that are somebody else's: they may be anything, a password too."""
    return layer.file, [(key, None if key in others or key.startswith("_") else value) for key, value in layer.data.items()]


def recall(project: Path, question: str) -> Estate | None:
    """None where it is not known."""
    document = cache.recall(project, _ABOUT, question)
    with suppress(KeyError, TypeError):
        return Estate(tuple(_host(item) for item in document))
    return None


def keep(project: Path, question: str, estate: Estate) -> None:
    cache.keep(project, _ABOUT, question, [_document(host) for host in estate.hosts])


def _document(host: Host) -> dict[str, Any]:
    plain = {field.name: getattr(host, field.name) for field in fields(host)}
    return {**plain, "instances": [{field.name: getattr(item, field.name) for field in fields(item)} for item in host.instances]}


def _host(document: Mapping[str, Any]) -> Host:
    instances = tuple(Instance(**{**item, "generations": tuple(item["generations"])}) for item in document["instances"])
    return Host(**{**document, "instances": instances, "operators": tuple(document["operators"])})
