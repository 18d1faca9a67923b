"""The way back: the armed return of a host to the system it ran before, unless health is seen in time."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from pyinfra import logger
from pyinfra.api.command import StringCommand
from pyinfra.api.host import Host

from facts.script import run_script
from operations import host_lock
from operations.announce import note
from operations.connection import is_gone
from operations.site import Site
from workstation.templates import host_script


def arm(site: Site, host: Host) -> StringCommand:
    """From now on the host returns by itself when the time is up."""
    seconds = site.host.way_back_seconds
    note(host, f"the way back is armed: unless every instance answers within {seconds} s, the host returns by itself")
    script = host_script("restore", "way_back")
    args = (str(seconds), site.host.module_dir, host_lock.who(), host_lock.epoch_of(host), script)
    return run_script("arm", args=args)


def now(host: Host, reason: str) -> str:
    """Shell text that returns the host at once. It runs as a unit, so that it outlives this connection."""
    epoch = host_lock.epoch_of(host)
    command = ["/bin/sh", "/var/lib/supabase/way-back/return.sh", reason, epoch]
    return f"systemd-run --quiet --collect --wait --pipe --unit=supabase-way-back-now-{epoch} {shlex.join(command)} >&2"


@contextmanager
def told(host: Host, seconds: int) -> Iterator[None]:
    """Say what the host will do when the steps inside end early because its connection did."""
    confirmed = False
    try:
        yield
        confirmed = True
    finally:
        if not confirmed and is_gone(host):
            logger.error(
                f"{host.print_prefix}the connection is gone. Unless it was confirmed already, the host returns by itself to the "
                f"system it ran before, at most {seconds} s after the way back was armed; then run again"
            )
