"""The run, step by step: one operation a host and a no-op when nothing is to do. Deploy files differ in the site they give it."""

from operations import activate, build, dumps, modules, report, sandbox, secrets
from operations.site import Site


def converge(site: Site) -> None:
    """Bring the host to what the site wants."""
    secrets.ensure(name="Secrets", site=site)
    modules.install(name="Modules", site=site)
    if site.host.data.system == "sandbox":
        sandbox.converge(name="Databases", site=site)
    else:
        build.build(name="Build", site=site)
        dumps.dump(name="Dumps", site=site)
        activate.activate(name="Activate: system, databases, health", site=site)
    report.report(name="Report", site=site)
