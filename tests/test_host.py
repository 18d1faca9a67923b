"""The test host itself: what the other tests take for granted about it."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.host import Machine, MachineError, cache, nixpkgs

SYSTEM = "readlink -f /run/current-system"
PROFILE = "readlink -f /nix/var/nix/profiles/system"


def configure(machine: Machine, body: str) -> None:
    """Writes the host's configuration: the default one plus `body`, the attributes of a module."""
    machine.put(
        "/etc/nixos/configuration.nix",
        "{ config, lib, pkgs, options, ... }: { imports = [ <agenix/modules/age.nix> ]; services.openssh.enable = true;\n"
        f'services.postgresql.enable = true; system.stateVersion = "25.11";\n{body}\n}}\n',
    )


def rebuild(machine: Machine, verb: str = "switch", check: bool = True) -> subprocess.CompletedProcess[str]:
    return machine.run(f"nixos-rebuild {verb}", check=check, timeout=120)


def encrypt(machine: Machine, name: str, text: str, recipient: str | None = None) -> None:
    """An age file /etc/nixos/NAME for the machine's host key, or for `recipient`."""
    to = recipient or machine.host_key
    machine.run(f"age -a -r '{to}' -o /etc/nixos/{name}", stdin=text)


def lines(machine: Machine, command: str) -> list[str]:
    return machine.run(command).stdout.split()


@pytest.fixture
def host(shared_machine: Machine) -> Machine:
    """The shared machine with the default configuration active."""
    configure(shared_machine, "")
    rebuild(shared_machine)
    return shared_machine


def test_login_running_postgresql(host: Machine) -> None:
    assert lines(host, "id -un; systemctl is-system-running; systemctl is-active postgresql.target") == [
        "root",
        "running",
        "active",
    ]
    assert lines(host, "runuser -u postgres -- psql -tAc 'show server_version_num'")[0] >= "170000"
    print("the host's clock:", host.run("date").stdout)


def test_run(host: Machine) -> None:
    assert host.run("cat", stdin="a\nb").stdout == "a\nb"
    assert host.run("exit 3", check=False).returncode == 3
    with pytest.raises(MachineError, match="ended with 3"):
        host.run("echo why >&2; exit 3")
    with pytest.raises(subprocess.TimeoutExpired):
        host.run("sleep 20", timeout=0.5)
    assert host.console("echo $PATH").stdout.startswith("/run/current-system/sw/bin:")


def test_programs(host: Machine) -> None:
    found = lines(
        host,
        "for p in nginx git age ssh jq setpriv flock runuser getfacl caddy postgrest curl openssl; do command -v $p >/dev/null && echo $p; done",
    )
    assert len(found) == 13
    configure(
        host,
        "environment.systemPackages = with pkgs; [ nginx jq age util-linux postgresql_17 postgrest gawk gnused gnugrep openssl git curl caddy ];",
    )
    rebuild(host)
    programs = [
        "nginx",
        "jq",
        "age",
        "runuser",
        "setpriv",
        "flock",
        "psql",
        "postgrest",
        "awk",
        "sed",
        "grep",
        "openssl",
        "git",
        "curl",
    ]
    assert [
        p for p in programs if host.run(f"test -x /run/current-system/sw/bin/{p}", check=False).returncode
    ] == []


def test_pyinfra_data(host: Machine, tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.py"
    inventory.write_text(f"hosts = [({host.name!r}, {host.pyinfra_data()!r})]\n")
    done = subprocess.run(
        [sys.executable, "-m", "pyinfra", str(inventory), "exec", "--", "nixos-version"],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "25.11 (Miniature)" in done.stdout + done.stderr


def test_build_leaves_result(host: Machine) -> None:
    configure(host, 'environment.etc.probe.text = "built";')
    done = host.run("mkdir -p /tmp/b && cd /tmp/b && nixos-rebuild build --no-reexec && readlink -f result")
    path, result = done.stdout.split()
    assert path == result and "Done. The new configuration is" in done.stderr
    assert host.run("test -e /etc/probe", check=False).returncode == 1


def test_switch_test_rollback(host: Machine) -> None:
    first = lines(host, SYSTEM)
    unit = 'systemd.services.probe = {{ wantedBy = [ "multi-user.target" ]; script = "echo {0}; exec sleep infinity"; }}; environment.etc.probe.text = "{0}";'
    configure(host, unit.format("one"))
    said = rebuild(host, "test").stderr
    assert "the following new units were started: probe.service" in said
    assert lines(host, PROFILE) == first
    assert lines(host, "cat /etc/probe; echo; systemctl is-active probe") == ["one", "active"]
    rebuild(host)
    second = lines(host, SYSTEM)
    assert lines(host, PROFILE) == second == lines(host, "readlink -f /boot/default") != first
    pid = lines(host, "systemctl show -P MainPID probe")
    assert "probe" not in rebuild(host).stderr
    assert lines(host, "systemctl show -P MainPID probe") == pid
    configure(host, unit.format("two"))
    said = rebuild(host, "dry-activate").stderr
    assert (
        "would stop the following units: probe.service" in said
        and "would start the following units: probe.service" in said
    )
    assert lines(host, SYSTEM) == second
    rebuild(host, "switch --rollback")
    assert lines(host, SYSTEM) == lines(host, PROFILE) == first
    assert host.run("systemctl is-active probe", check=False).stdout != "active\n"
    current = [
        g["generation"] for g in json.loads(rebuild(host, "list-generations --json").stdout) if g["current"]
    ]
    assert len(current) == 1


def test_wrong_configurations(host: Machine) -> None:
    before = lines(host, SYSTEM)
    for body, says in [
        ("services.nonsense.enable = true;", "The option `services.nonsense' does not exist"),
        ("services.postgresql.nonsense = true;", "The option `services.postgresql.nonsense' does not exist"),
        ('services.postgresql.settings.port = "x";', "is not of type"),
        (
            'services.postgresql.settings = lib.mkMerge [ { work_mem = "1MB"; } { work_mem = "2MB"; } ];',
            "conflicting definition values",
        ),
        ('assertions = [ { assertion = false; message = "not so"; } ];', "not so"),
        ("users.users.a = { isSystemUser = true; };", "users.users.a.group is unset"),
        (
            'users.users.a123456789012345678901234567890123 = { isSystemUser = true; group = "users"; };',
            "longer than 31 characters",
        ),
        ('systemd.services.a.serviceConfig.Type = "onceshot";', "invalid Type"),
    ]:
        configure(host, body)
        done = rebuild(host, check=False)
        assert done.returncode == 1 and says in done.stderr, (body, done.stderr)
    assert lines(host, SYSTEM) == before


def test_failing_unit_is_exit_4_and_profile_has_moved(host: Machine) -> None:
    before = lines(host, PROFILE)
    configure(host, 'systemd.services.bad = { wantedBy = [ "multi-user.target" ]; script = "exit 3"; };')
    done = rebuild(host, check=False)
    assert done.returncode == 1
    assert (
        "the following units failed: bad.service" in done.stderr and "non-zero exit status 4" in done.stderr
    )
    assert lines(host, PROFILE) == lines(host, SYSTEM) != before


def test_unmet_condition_is_no_failure(host: Machine) -> None:
    configure(
        host,
        'systemd.services.later = { wantedBy = [ "multi-user.target" ]; unitConfig.ConditionPathExists = "/var/lib/later";'
        ' script = "exec sleep infinity"; };',
    )
    rebuild(host)
    assert host.run("systemctl is-active later", check=False).stdout == "inactive\n"
    host.run("touch /var/lib/later && systemctl start later && systemctl is-active later; rm /var/lib/later")


def test_slices_and_unit_options(host: Machine) -> None:
    configure(
        host,
        """
        systemd.slices.supabase-prod = { description = "prod"; sliceConfig.MemoryMax = "256M"; };
        systemd.services.a = {
          wantedBy = [ "multi-user.target" ]; startLimitIntervalSec = 7; startLimitBurst = 3; documentation = [ "https://example.org" ];
          onFailure = [ "b.service" ]; reload = "touch /run/a-reloaded"; environment.WORD = "x";
          serviceConfig.Slice = "supabase-prod.slice"; serviceConfig.ExecStartPre = [ "+${pkgs.coreutils}/bin/touch /run/a-pre" ];
          preStart = "true"; script = "exec sleep infinity"; reloadTriggers = [ "1" ];
        };
        systemd.services.b = { script = "true"; };
        """,
    )
    rebuild(host)
    shown = host.run(
        "systemctl show a.service -p Slice,StartLimitIntervalUSec,StartLimitBurst,OnFailure,Documentation,ControlGroup"
    ).stdout
    assert {
        "Slice=supabase-prod.slice",
        "StartLimitIntervalUSec=7s",
        "StartLimitBurst=3",
        "OnFailure=b.service",
        "Documentation=https://example.org",
    } <= set(shown.split())
    assert "/supabase.slice/supabase-prod.slice/a.service" in shown
    assert lines(host, "systemctl show -P MemoryMax supabase-prod.slice") == [str(256 * 2**20)]
    pid = lines(host, "systemctl show -P MainPID a")
    host.run(
        'sed -i \'s/reloadTriggers = . "1"/reloadTriggers = [ "2"/; s/256M/512M/\' /etc/nixos/configuration.nix'
    )
    said = rebuild(host).stderr
    assert "reloading the following units: a.service" in said and "stopping" not in said
    assert lines(host, "systemctl show -P MainPID a; ls /run/a-reloaded /run/a-pre") == [
        *pid,
        "/run/a-pre",
        "/run/a-reloaded",
    ]
    assert lines(host, "systemctl show -P MemoryMax supabase-prod.slice") == [str(512 * 2**20)]


def test_services_find_only_their_path(host: Machine) -> None:
    configure(
        host,
        """
        systemd.services.poor = { serviceConfig.Type = "oneshot"; script = "command -v grep; ! command -v jq; ! command -v psql"; };
        systemd.services.rich = { serviceConfig.Type = "oneshot"; path = [ pkgs.jq config.services.postgresql.finalPackage ]; script = "command -v jq; command -v psql"; };
        """,
    )
    rebuild(host)
    host.run("systemctl start poor rich")


def test_restart_triggers_follow_content(host: Machine) -> None:
    host.put("/etc/nixos/content", "1")
    configure(
        host,
        'systemd.services.c = { wantedBy = [ "multi-user.target" ]; script = "exec sleep infinity"; restartTriggers = [ ./content ]; stopIfChanged = false; };',
    )
    rebuild(host)
    assert "units" not in rebuild(host).stderr
    host.put("/etc/nixos/content", "2")
    assert "restarting the following units: c.service" in rebuild(host).stderr


def test_postgresql_settings(host: Machine) -> None:
    started = "systemctl show -P ActiveEnterTimestampMonotonic postgresql.service"
    before = lines(host, started)
    configure(
        host,
        """
        services.postgresql.settings = { max_connections = lib.mkDefault 77; shared_preload_libraries = [ "pg_stat_statements" ]; };
        services.postgresql.authentication = lib.mkBefore "local all +friends peer map=friends";
        services.postgresql.identMap = "friends root friend";
        services.postgresql.ensureDatabases = [ "friend" ];
        services.postgresql.ensureUsers = [ { name = "friend"; ensureDBOwnership = true; ensureClauses.login = true; } ];
        """,
    )
    rebuild(host)
    assert lines(host, started) != before
    hba = host.run("cat $(runuser -u postgres -- psql -tAc 'show hba_file')").stdout.splitlines()
    rules = [line.split() for line in hba if line and not line.startswith("#")]
    assert rules[0] == ["local", "all", "+friends", "peer", "map=friends"]
    assert rules[1:] == [
        ["local", "all", "postgres", "peer", "map=postgres"],
        ["local", "all", "all", "peer"],
        ["host", "all", "all", "127.0.0.1/32", "md5"],
        ["host", "all", "all", "::1/128", "md5"],
    ]
    host.run("runuser -u postgres -- psql -qc 'create role friends' -c 'grant friends to friend'")
    assert lines(host, "psql -tA -U friend -d friend -c 'show max_connections' -c 'select current_user'") == [
        "77",
        "friend",
    ]
    assert lines(host, "runuser -u postgres -- psql -tAc 'show shared_preload_libraries'") == [
        "pg_stat_statements"
    ]
    host.run(
        "runuser -u postgres -- psql -qc 'drop database friend' -c 'drop role friend' -c 'drop role friends'"
    )


def test_users_come_and_go(host: Machine) -> None:
    user = 'users.users.svc = { isSystemUser = true; uid = 20001; group = "svc"; extraGroups = [ "more" ]; }; users.groups.svc.gid = 20001; users.groups.more = { };'
    configure(host, user)
    rebuild(host)
    assert lines(host, "id -u svc; id -gn svc; id -nG svc") == ["20001", "svc", "svc", "more"]
    configure(host, user.replace('extraGroups = [ "more" ];', ""))
    rebuild(host)
    assert lines(host, "id -nG svc") == ["svc"]
    configure(host, "")
    rebuild(host)
    assert host.run("getent passwd svc; getent group svc more", check=False).stdout == ""
    assert lines(host, "id -un postgres") == ["postgres"]


def test_caddy_and_nginx(host: Machine) -> None:
    configure(
        host,
        """
        services.caddy = { enable = true; globalConfig = "admin unix//run/caddy/admin.sock"; virtualHosts.":8081".extraConfig = "respond caddy"; };
        systemd.services.caddy.serviceConfig.RuntimeDirectory = "caddy";
        services.nginx = { enable = true; virtualHosts.x = { listen = [ { addr = "127.0.0.1"; port = 8082; } ]; locations."/".return = "200 nginx"; }; };
        """,
    )
    rebuild(host)
    assert (
        host.run("curl -sf --retry 5 --retry-connrefused http://127.0.0.1:8081 http://127.0.0.1:8082").stdout
        == "caddynginx"
    )


SECRET = """
users.users.app = { isSystemUser = true; group = "app"; }; users.groups.app = { };
age.secrets.good = { file = ./good.age; owner = "app"; mode = "0440"; };
age.secrets.other = { file = ./other.age; path = "/run/elsewhere/other"; };
"""


def test_age_secrets(host: Machine) -> None:
    encrypt(host, "good.age", "one")
    encrypt(host, "other.age", "two")
    configure(host, SECRET)
    rebuild(host)
    stat = host.run(
        "stat -L -c '%a %U %G' /run/agenix/good /run/elsewhere/other; stat -f -c %T /run/agenix/; stat -c '%a %G' /run/agenix.d"
    ).stdout
    assert stat.splitlines() == ["440 app app", "400 root root", "ramfs", "751 keys"]
    assert host.run("cat /run/agenix/good /run/elsewhere/other").stdout == "onetwo"
    first = lines(host, "readlink /run/agenix")
    rebuild(host)
    assert (
        lines(host, "readlink /run/agenix; ls /run/agenix.d") != first
        and len(lines(host, "ls /run/agenix.d")) == 1
    )
    host.run("! grep -r one /nix/store/*good.age /etc/static /run/current-system/etc")


def test_age_secret_that_does_not_open(host: Machine, tmp_path: Path) -> None:
    """As agenix: the secret is absent, the rest is there, units are handled, switch-to-configuration ends with 2."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    stranger = " ".join((tmp_path / "key.pub").read_text().split()[:2])
    encrypt(host, "good.age", "one", stranger)
    encrypt(host, "other.age", "two")
    configure(
        host,
        SECRET
        + 'environment.etc.probe.text = "went on"; systemd.services.d = { wantedBy = [ "multi-user.target" ]; script = "exec sleep infinity"; };',
    )
    done = rebuild(host, "test", check=False)
    assert done.returncode == 1 and "non-zero exit status 2" in done.stderr
    assert lines(host, "ls /run/agenix/; cat /run/agenix/other /etc/probe; echo; systemctl is-active d") == [
        "other",
        "twowent",
        "on",
        "active",
    ]


def test_real_lib_and_agenix() -> None:
    """nixpkgs' own module system and agenix' own module do the same on this host."""
    lib, agenix = nixpkgs.nixpkgs_lib(), nixpkgs.agenix()
    if cache.missing() or lib is None or agenix is None:
        pytest.skip(cache.missing() or "NIX_PATH and channels give no nixpkgs lib or no agenix")
    machine = Machine.start(nixpkgs_lib=lib, agenix=agenix)
    try:
        encrypt(machine, "good.age", "one")
        encrypt(machine, "other.age", "two")
        configure(machine, SECRET + "environment.etc.version.text = lib.version;")
        rebuild(machine)
        assert "mini" not in machine.run("cat /etc/version").stdout
        assert (
            machine.run(
                "stat -L -c '%a %U %G' /run/agenix/good; cat /run/agenix/good /run/elsewhere/other"
            ).stdout
            == "440 app app\nonetwo"
        )
        configure(machine, "services.postgresql.nonsense = true;")
        assert (
            "The option `services.postgresql.nonsense' does not exist" in rebuild(machine, check=False).stderr
        )
    finally:
        machine.stop()


def test_configuration_without_agenix(host: Machine) -> None:
    """A module can see whether agenix is there."""
    host.put(
        "/etc/nixos/optional.nix",
        '{ lib, options, ... }: { config = lib.mkMerge [ (lib.optionalAttrs (lib.hasAttrByPath [ "age" "secrets" ] options) { environment.etc.has-agenix.text = "yes"; }) { environment.etc.asked.text = ""; } ]; }',
    )
    host.run(
        "sed -i 's|imports = .*;  *services|imports = [ ./optional.nix <agenix/modules/age.nix> ]; services|' /etc/nixos/configuration.nix"
    )
    rebuild(host)
    assert host.run("ls /etc/has-agenix /etc/asked").returncode == 0
    host.run("sed -i 's|<agenix/modules/age.nix>||' /etc/nixos/configuration.nix")
    rebuild(host)
    assert host.run("ls /etc/has-agenix /etc/asked", check=False).stdout == "/etc/asked\n"


def test_flake(host: Machine) -> None:
    """A git tree and a path: reference; what git does not know does not exist for the first."""
    host.run("mkdir -p /root/flake && git -C /root/flake init -q")
    host.put(
        "/root/flake/flake.nix",
        '{ inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11"; inputs.agenix.url = "github:ryantm/agenix"; outputs = { self, nixpkgs, agenix }: {'
        ' nixosConfigurations.box = nixpkgs.lib.nixosSystem { system = "x86_64-linux"; modules = [ agenix.nixosModules.default ./box.nix ]; }; }; }',
    )
    host.put(
        "/root/flake/box.nix", '{ services.postgresql.enable = true; environment.etc.probe.text = "flake"; }'
    )
    host.run("git -C /root/flake add flake.nix")
    done = rebuild(host, "test --flake /root/flake#box", check=False)
    assert done.returncode == 1 and "box.nix" in done.stderr
    host.run("git -C /root/flake add -N box.nix")
    for reference in ("/root/flake#box", "path:/root/flake#box"):
        rebuild(host, f"test --flake {reference}")
        assert lines(host, "cat /etc/probe") == ["flake"]


def test_snapshot(host: Machine) -> None:
    host.run("mkdir -p /srv/s/d; echo a > /srv/s/f; ln -sfn f /srv/s/l; touch '/srv/s/with space'")
    before = host.snapshot("/srv/s", "/nowhere")
    assert set(before) == {"/srv/s", "/srv/s/d", "/srv/s/f", "/srv/s/l", "/srv/s/with space"}
    assert host.snapshot("/srv/s") == before
    host.run("echo b > /srv/s/f; chmod 600 '/srv/s/with space'")
    after = host.snapshot("/srv/s")
    assert {p for p in after if after[p] != before[p]} == {"/srv/s/f", "/srv/s/with space"}


def test_cut_network(host: Machine) -> None:
    host.run("true")
    host.cut_network()
    with pytest.raises(subprocess.TimeoutExpired):
        host.run("true", timeout=1)
    assert host.console("systemctl is-system-running").stdout == "running\n"
    host.restore_network()
    host.run("true")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(host.run, "echo here; sleep 30", check=False)
        while host.console("pgrep -x sleep", check=False).returncode:
            pass
        host.cut_network(reset=True)
        assert waiting.result(timeout=5).returncode == 255
    host.restore_network()
    assert host.run("echo again").stdout == "again\n"


def test_reboot_and_power_cut(machine: Machine) -> None:
    """State stays; what boots is the boot default, not what `test` made active."""
    first = lines(machine, SYSTEM)
    encrypt(machine, "good.age", "one")
    encrypt(machine, "other.age", "two")
    configure(machine, SECRET)
    rebuild(machine, "test")
    second = lines(machine, SYSTEM)
    assert second != first
    machine.run(
        "runuser -u postgres -- psql -qc 'create table kept (n int)' -c 'insert into kept values (1)'"
    )
    boot = lines(
        machine, "cat /proc/sys/kernel/random/boot_id; systemctl show -P UserspaceTimestampMonotonic"
    )
    machine.power_cut()
    assert lines(machine, SYSTEM) == lines(machine, "readlink -f /run/booted-system") == first
    assert lines(machine, "systemctl show -P UserspaceTimestampMonotonic") != boot[1:]
    assert lines(machine, "runuser -u postgres -- psql -tAc 'select n from kept'") == ["1"]
    machine.run(
        f"nix-env -p /nix/var/nix/profiles/system --set {second[0]} && {second[0]}/bin/switch-to-configuration boot"
    )
    assert lines(machine, SYSTEM) == first
    machine.reboot()
    assert lines(machine, SYSTEM) == lines(machine, PROFILE) == second
    assert machine.run("cat /run/agenix/good").stdout == "one"
    assert lines(machine, "systemctl is-system-running; systemctl is-active postgresql.target") == [
        "running",
        "active",
    ]


def test_two_machines_and_nothing_left(machine: Machine) -> None:
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda _: Machine.start(), range(2))
    try:
        assert len({one.host_key, two.host_key, machine.host_key}) == 3
        assert len({one.ip, two.ip, machine.ip}) == 3
        assert one.run(f"timeout 1 bash -c ': < /dev/tcp/{two.ip}/22'", check=False).returncode != 0
        assert lines(one, "cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub") == one.host_key.split()
        one.run("touch /srv/mine")
        assert two.run("ls /srv").stdout == ""
        veth = (one.state / "veth").read_text().strip()
    finally:
        one.stop()
        two.stop()
    one.stop()
    assert not one.state.exists()
    assert (
        f"sth-{one.name}"
        not in subprocess.run(["ip", "netns"], check=True, capture_output=True, text=True).stdout
    )
    assert not Path(f"/sys/class/net/{veth}").exists()
    assert one.name not in Path("/proc/self/mountinfo").read_text()
    assert [p for p in Path("/sys/fs/cgroup").glob(f"**/sth-{one.name}")] == []
