"""The stages of a rotation as sites: what is left to do, and what each stage plans on."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pyinfra.context import host

from desired import rotation
from desired.renewal import Renewal, window_of
from desired.selection import flag
from desired.sidecar import time_text
from operations.announce import note
from operations.site import Site
from workstation import clock


def stages(site: Site, overrides: Mapping[str, Any]) -> tuple[Site, ...]:
    """One site a stage, of the instance that `site` is limited to. Raises Invalid, SecretStop."""
    (item,) = site.instances
    hours, retire_now = window_of(overrides.get("window")), flag(overrides, "retire_now")
    standing, now = site.store.standings([item])[item.name], clock.now()
    found: tuple[Site, ...] = ()
    for stage in rotation.stages(standing, now, retire_now=retire_now):
        found += (replace(site.fresh(), renewal=Renewal(stage=stage, hours=hours), before=found[-1] if found else None),)
    if found[0].renewal.stage is None:
        until = f": old keys are accepted until {time_text(standing.until)}" if standing.until else ""
        said = "a rotation is under way" if standing.previous else "nothing is left to retire"
        ignored = "; its window stays as it is" if "window" in overrides else ""
        note(host, f"{item.name}: {said}{until}{ignored}")
    return found
