"""The run, step by step: one operation a host and a no-op when nothing is to do. Deploy files differ in the site they give it."""

from operations import activate, build, dumps, modules, report, sandbox, secrets
from operations.site import Site


def converge(site: Site, *stages: Site) -> None:
    """Bring the host to what the site wants, then to what each of the further ones wants."""
    for stage in (site, *stages):
        title = f"{stage.renewal.stage}: " if stages else ""
        secrets.ensure(name=f"{title}Secrets", site=stage)
        modules.install(name=f"{title}Modules", site=stage)
        if stage.host.system == "sandbox":
            sandbox.converge(name=f"{title}Databases", site=stage)
        else:
            build.build(name=f"{title}Build", site=stage)
            dumps.dump(name=f"{title}Dumps", site=stage)
            activate.activate(name=f"{title}Activate: system, databases, health", site=stage)
    report.report(name="Report", site=(site, *stages)[-1])
