"""How every host and instance stands:  python -m reports.status [NAME] [--json]

Exit code 0: all healthy. 1: something is not, a host does not answer, or nothing could be asked.
"""

import argparse
import json
from collections.abc import Mapping, Sequence

import pyinfra_cli  # type: ignore[import-untyped]  # noqa: F401 -- patches the standard library, before pyinfra is there
from pyinfra.api.state import State
from pyinfra.context import ctx_host

from desired.answer import Answer, Pending
from desired.host_status import host_status
from desired.orphan_places import Orphan, on_host, orphans
from desired.selection import selected_instance
from desired.sidecar import Sidecar
from desired.status import Report
from operations.estate import load_estate
from operations.site import Site, open_site
from reports.look import answer, look
from reports.pending import LookedAt
from reports.project import exit_code, load, show
from reports.status_text import text
from workstation import clock, slot_file


def main() -> int:
    """0 all healthy, 1 anything else, and the report on standard output."""
    parser = argparse.ArgumentParser(prog="just supabase-status", description="How every host and instance stands.")
    parser.add_argument("instance", nargs="?", help="this instance only")
    parser.add_argument("--json", action="store_true", help="for machines: see docs/status.md")
    arguments = parser.parse_args()
    return exit_code(lambda: _status(arguments.instance, arguments.json))


def _status(name: str | None, as_json: bool) -> int:
    state = load()
    estate = load_estate(state.inventory)
    only = selected_instance({} if name is None else {"instance": name}, (item.name for item in estate.instances))
    # Of one instance too what a whole deploy would change: what is pending does not depend on who asks.
    sites = [site for host in estate.hosts if open_site(host, only) and (site := open_site(host, None))]
    asked = [state.pool.spawn(look, state, state.inventory.get_host(site.host.name), site) for site in sites]
    # Read while the hosts answer.
    sidecars = {site.host.name: site.store.present() for site in sites}
    hosts, left = [], {}
    for site, greenlet in zip(sites, asked, strict=True):
        seen = greenlet.get()
        told: Answer | str = seen if isinstance(seen, str) else answer(seen)
        pending = Pending(None) if isinstance(seen, str) else _planned(state, seen)
        shown = tuple(item for item in site.instances if only in (None, item.name))
        hosts.append(host_status(site.host, shown, told, pending, sidecars[site.host.name], clock.now()))
        if isinstance(told, Answer):
            named = [item.name for item in site.host.instances]
            left[site.host.name] = on_host(named, told.tree, told.system, told.cluster, told.usage)
    report = Report(tuple(hosts), _orphans(sites, left, sidecars) if only is None else ())
    show(json.dumps(report.document(), indent=2) if as_json else text(report))
    return 0 if report.state in ("healthy", "off") else 1


def _planned(state: State, site: LookedAt) -> Pending:
    """pyinfra's own words for where a plan is made."""
    with ctx_host.use(state.inventory.get_host(site.host.name)):
        return site.pending()


def _orphans(
    sites: Sequence[Site], left: Mapping[str, Mapping[str, list[str]]], sidecars: Mapping[str, Mapping[str, Sidecar | None]]
) -> tuple[Orphan, ...]:
    """On the hosts, in the slot files, among the secrets: of the whole project."""
    named = {site.host.name: [item.name for item in site.host.instances] for site in sites}
    slots: dict[str, dict[str, int]] = {}
    for place in sorted({site.project for site in sites}):
        slots |= slot_file.read(place)
    return orphans(named, left, slots, [sidecar for present in sidecars.values() for sidecar in present.values()])


if __name__ == "__main__":
    raise SystemExit(main())
