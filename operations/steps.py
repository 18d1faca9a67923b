"""The run, step by step: one operation a host and a no-op when nothing is to do. Deploy files differ in the site they give it."""

from operations import activate, build, modules, removal, report, sandbox, secrets
from operations.removal import Removal
from operations.site import Site


def converge(site: Site) -> None:
    """Bring the host to what the site wants."""
    secrets.ensure(name="Secrets", site=site)
    modules.install(name="Modules", site=site)
    if site.host.data.system == "sandbox":
        sandbox.converge(name="Databases", site=site)
    else:
        build.build(name="Build", site=site)
        activate.activate(name="Activate: system, databases, health", site=site)
    report.report(name="Report", site=site)


def take_away(of: Removal) -> None:
    """Bring the host and the project to what they are without the instance."""
    removal.confirm(name="Confirmed", of=of)
    removal.entry(name="Entry in group_data", of=of)
    removal.files(name="Modules", of=of)
    if of.nixos:
        build.build(name="Build", site=of.site)
        activate.activate(name="Activate: system, health of the others", site=of.site)
    removal.database(name="Database", of=of)
    removal.data(name="Data", of=of)
    removal.secrets(name="Secrets", of=of)
    removal.slot(name="Slot", of=of)
    removal.report(name="Report", of=of)
