"""A machine with a project that deploys it, and what the tests of failures ask of both."""

import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.host import Machine
from tests.keys import keypair
from tests.project import ROOT, Project, Run, on_machines

TREE = "/etc/nixos/supabase"
IMPORT = f"imports = [ <agenix/modules/age.nix> {TREE} ];"


@dataclass(frozen=True)
class Standing:
    """What a failed run must leave as it was."""

    running: str
    profile: str
    boot: str
    tree: dict[str, str]


def _ask(name: str) -> str:
    """Shell text that asks an instance, where the running system has it, with the service key, and prints the status."""
    port = f"$(jq .port /run/current-system/etc/supabase/source/instances/{name}.json)"
    key = f'"apikey: ${{key-$(cat /run/agenix/supabase-{name}-service)}}"'
    return f"curl -s -o /dev/null -m 5 -w '%{{http_code}}' -H {key} http://127.0.0.1:{port}/rest/v1/"


@dataclass
class Lab:
    """`machine` imports the module tree, `project` has instances prod and dev on it."""

    machine: Machine
    project: Project
    changes: int = 0

    def configure(self, body: str = "", imports: str = IMPORT) -> None:
        """The host's own configuration: `body` are attributes of a NixOS module."""
        text = f'{{ lib, pkgs, ... }}: {{ {imports} system.stateVersion = "25.11";\n{body}\n}}\n'
        self.machine.put("/etc/nixos/configuration.nix", text)

    def change(self, instance: str = "dev", **values: Any) -> None:
        """Want something else of an instance than ever before in this lab: another log level, unless `values` say what."""
        wanted = self.project.data["instances"][instance]
        self.changes += 1
        level = {"info": "warn", "debug": "info"}.get(wanted.get("log_level", "info"), "debug")  # warn is as good as error
        wanted |= values or {"log_level": level, "realtime": {"max_concurrent_users": 200 + self.changes}}
        self.project.write()

    def wait_at_most(self, seconds: int) -> None:
        """Set way_back_seconds."""
        self.project.data["way_back_seconds"] = seconds
        self.project.write()

    def standing(self) -> Standing:
        links = ("/run/current-system", "/nix/var/nix/profiles/system", "/boot/default")
        running, profile, boot = self.machine.run(f"readlink -f {' '.join(links)}").stdout.split()
        return Standing(running, profile, boot, self.machine.snapshot(TREE))

    def kept(self) -> dict[str, bytes]:
        """The user's state that no failure may touch: secrets, their sidecars, slots."""
        return {path: text for path, text in self.project.files().items() if path.startswith(("secrets", "slots"))}

    def armed(self) -> bool:
        units = self.machine.run("systemctl list-units --all --plain --no-legend 'supabase-way-back*.timer'").stdout
        return bool(units) or self.machine.run("test -e /var/lib/supabase/way-back", check=False).returncode == 0

    def serves(self, within: float = 10) -> dict[str, str]:
        """Status of each instance's REST API as the service role; waits until all give 200, at most `within` seconds."""
        end = time.monotonic() + within
        while True:
            seen = {name: self.machine.run(_ask(name), check=False).stdout for name in self.project.data["instances"]}
            if set(seen.values()) == {"200"} or time.monotonic() > end:
                return seen
            time.sleep(0.1)

    @contextmanager
    def traffic(self, name: str = "prod") -> Iterator[Counter[str]]:
        """One request after the other while the block runs; the counter has the statuses when it ends."""
        counts: Counter[str] = Counter()
        key = f"key=$(cat /run/agenix/supabase-{name}-service)"
        loop = f"{key}; while ! [ -e /run/quiet ]; do {_ask(name)}; echo; sleep 0.02; done"

        def ask() -> None:
            counts.update(self.machine.console(loop, timeout=300).stdout.split())

        thread = threading.Thread(target=ask)
        self.machine.console("rm -f /run/quiet")
        thread.start()
        try:
            yield counts
        finally:
            self.machine.console("touch /run/quiet")
            thread.join()

    def interrupted(
        self, when: str, command: str, *arguments: str, log: Path | None = None, script: str = "deploy.py"
    ) -> Run:
        """A run that SIGKILL ends at that point; see interruption.py."""
        environment = {"INTERRUPT": f"{when} {command} kill", **self._hook(log)}
        return self.project.converge(*arguments, script=script, env=environment)

    @contextmanager
    def paused(self, when: str, command: str) -> Iterator["Paused"]:
        """A run that stands still at that point while the block runs; it is killed when the block did not let it go on."""
        there = self.project.directory / "paused"
        environment = self.project.environment({"INTERRUPT": f"{when} {command} pause {there}", **self._hook(None)})
        with subprocess.Popen(
            self.project.command("deploy.py", "-y"),
            cwd=self.project.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            end = time.monotonic() + 60
            while not there.exists():
                assert process.poll() is None, process.communicate()[0]
                assert time.monotonic() < end, f"the run never came to {command}"
                time.sleep(0.02)
            try:
                yield Paused(process, there)
            finally:
                there.unlink(missing_ok=True)
                if process.poll() is None:
                    process.kill()

    def killed(self, number: int, *arguments: str, script: str = "deploy.py", points: Path | None = None) -> Run:
        """A run that SIGKILL ends at its `number`th point, or with 0 never; `points` gets every one it comes to."""
        environment = {"INTERRUPT": f"number {number} kill", **self._hook(None)}
        if points:
            environment["INTERRUPT_POINTS"] = str(points)
        return self.project.converge(*arguments, script=script, env=environment)

    def _hook(self, log: Path | None) -> dict[str, str]:
        path = str(ROOT / "tests/interruption.py")
        text = f"exec(compile(open({path!r}).read(), {path!r}, 'exec'), {{'__file__': {path!r}, '__name__': 'interruption'}})\n"
        (self.project.directory / "config.py").write_text(text)
        return {"INTERRUPT_LOG": str(log)} if log else {}


@dataclass(frozen=True)
class Paused:
    """A run that stands still."""

    process: "subprocess.Popen[str]"
    there: Path

    def go_on(self) -> Run:
        self.there.unlink()
        output, _ = self.process.communicate(timeout=120)
        return Run(self.process.returncode, output)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def bare(machine: Machine, directory: Path, **data: Any) -> Lab:
    """Nothing deployed yet, and no PostgreSQL on the machine."""
    instances: dict[str, Any] = {"prod": {"subdomain": "supabase"}, "dev": {}}
    project = on_machines(directory / "project", [machine], instances, keypair(directory / "keys", "operator"), **data)
    lab = Lab(machine, project)
    lab.configure()
    return lab
