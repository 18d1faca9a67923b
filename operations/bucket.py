"""The storage bucket of an instance, made through the storage API: its row is storage's own."""

from collections.abc import Mapping

from pyinfra.api.command import StringCommand

from facts.script import run_script
from operations.site import Site


def make(site: Site, buckets: Mapping[str, str]) -> StringCommand:
    """Make them where they are missing; instance to name. Storage has answered before."""
    asked = (
        (probe.name, str(probe.port), f"{probe.port:04X}:{probe.uid}", probe.key, buckets[probe.name])
        for probe in site.probes()
        if probe.name in buckets
    )
    return run_script("bucket", args=tuple(word for words in asked for word in words))
