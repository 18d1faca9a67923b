"""Modules: the module tree is brought to the host in one delta."""

import base64
import difflib
import io
import tarfile
from collections.abc import Iterable

from pyinfra import logger
from pyinfra.api.operation import operation
from pyinfra.context import host, state

from desired.changes import Change
from desired.errors import HostStop, Stop
from desired.host_state import check_targeted, rebuild_reasons, require_nixos
from desired.orphans import check_orphans, orphans
from desired.tree import FileChanges, Tree, check_slots, difference
from facts.module_tree import FileContents, ModuleTree, TreeOnHost
from facts.script import run_script
from operations import databases, host_lock
from operations.announce import announce, note
from operations.connection import ask
from operations.site import Site
from operations.stops import Commands, stops_host


@operation()
@stops_host
def install(site: Site) -> Commands:
    """The module tree on the host is what the selected instances want. Changed files only, renamed into place one by one."""
    found = site.fact(ModuleTree, module_dir=site.host.module_dir)
    tree = wanted(site, found)
    for name in orphans(site.host, found.tree.instances):
        note(host, f"! {name}: on the host, but not in group_data; it is kept. To remove it: just supabase-delete {name}")
    files = difference(tree, found.tree, whole=site.only is None)
    if not files.write and not files.remove:
        host.noop("the module tree is as wanted")
        return
    check_place(site, found)
    if site.host.system == "nixos":
        databases.plan(site)  # what forbids the later step forbids this one
    announce(host, files.changes())
    if state.config.DIFF:
        _show(site, files, tree)
    yield from host_lock.hold(site, site.system().epoch)
    command = run_script("install", args=(site.host.module_dir, *files.remove), stdin=archive(tree, files.write))
    yield host_lock.step(host, command)


def refuse(site: Site) -> None:
    """Raise what would stop `install` or a later step, before anything is written: a run with -y plans nothing beforehand."""
    found = site.fact(ModuleTree, module_dir=site.host.module_dir)
    if site.host.system == "nixos":
        check_orphans(site.host, found.tree.instances)
    wanted(site, found)
    check_place(site, found)
    if site.host.system == "nixos":
        databases.plan(site)


def claim(site: Site, changes: Iterable[Change]) -> Commands:
    """Announce changes and take the host for them, before this run changes anything anywhere; where a later step would have
    to stop, stop before that."""
    try:
        refuse(site)
    except Stop as stop:
        if not state.is_executing:
            raise
        yield from host_lock.refused(site, str(stop))
    announce(host, changes)
    yield from host_lock.hold_first(site)


def wanted(site: Site, found: TreeOnHost) -> Tree:
    """What this run may write, after everything that forbids it to write at all."""
    check_slots(site.host, found.tree)
    tree = site.tree()
    if site.host.system == "nixos":
        system = site.system()
        require_nixos(site.host.name, system)
        if site.only is not None:
            check_targeted(site.only, system, tree, found.tree)
        rebuild_reasons(system, tree)
    return tree


def check_place(site: Site, found: TreeOnHost) -> None:
    """Raise HostStop where nothing can be written, or Nix would not see it."""
    module_dir = site.host.module_dir
    if found.real.startswith("/nix/store/"):
        raise HostStop(f"module_dir: {module_dir} lies in the Nix store ({found.real}), which nobody can write; name another")
    if found.git is not None and site.host.system == "nixos" and "git" not in site.system().tools:
        raise HostStop(
            f"module_dir: {module_dir} is in the git work tree {found.git}, whose untracked files Nix does not see, and the "
            "host has no git; add pkgs.git to environment.systemPackages"
        )


def archive(tree: Tree, paths: tuple[str, ...]) -> str:
    """A base64 tar of these files. Raises HostStop while one is pending: the secrets step has failed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in paths:
            content = tree.files[path]
            if content is None:
                raise HostStop(f"{path} was not made; see the message of the secrets step")
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return base64.encodebytes(buffer.getvalue()).decode()


def _show(site: Site, files: FileChanges, wanted: Tree) -> None:
    """Unified diffs of the texts. Ciphertext is shown as changed, not line by line."""
    texts = [path for path in (*files.write, *files.remove) if not path.endswith(".age")]
    there = ask(FileContents, module_dir=site.host.module_dir, paths=[p for p in texts if p not in files.created])
    for path in texts:
        old = there.get(path, "").splitlines()
        new = (wanted.files.get(path) or b"").decode().splitlines()
        for line in difflib.unified_diff(old, new, f"host/{path}", f"wanted/{path}", n=2, lineterm=""):
            logger.info(f"{host.print_prefix}    {line}")
