"""What the run did, instance by instance. Changes nothing."""

from pyinfra import logger
from pyinfra.api.operation import operation
from pyinfra.api.output import format_text
from pyinfra.context import host, state

from desired.changes import by_instance
from operations import sandbox
from operations.announce import announced
from operations.site import Site
from operations.stops import Commands


@operation()
def report(site: Site) -> Commands:
    """Print one line an instance; in a dry run, what would change."""
    groups = by_instance(announced(host))
    will = "changed" if state.is_executing else "would change"
    lines = [f"host: {len(groups[''])} {will}"] if "" in groups else []
    for item in site.instances:
        count = len(groups.get(item.name, ()))
        off = "" if item.enable else ", disabled"
        lines.append(f"{item.name}: {f'{count} {will}' if count else 'nothing changed'}{off}, {item.url}")
    if not groups:
        lines.insert(0, "nothing changed")
    if site.host.system == "sandbox" and state.is_executing:
        lines += sandbox.how_to_look(site)
    for line in lines:
        logger.info(f"{host.print_prefix}{format_text(line, bold=True)}")
    return
    yield
