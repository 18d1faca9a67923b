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
CONFIGURATION = """
{ config, lib, pkgs, options, ... }:
{
  imports = [ IMPORTS ];
  services.openssh.enable = true;
  services.postgresql.enable = true;
  system.stateVersion = "25.11";
  BODY
}
"""
AGENIX = "<agenix/modules/age.nix>"


def configure(machine: Machine, body: str, imports: str = AGENIX) -> None:
    """Writes the host's configuration with `body`, attributes of a module."""
    machine.put("/etc/nixos/configuration.nix", CONFIGURATION.replace("IMPORTS", imports).replace("BODY", body))


def rebuild(machine: Machine, verb: str = "switch", check: bool = True) -> subprocess.CompletedProcess[str]:
    return machine.run(f"nixos-rebuild {verb}", check=check, timeout=120)


def encrypt(machine: Machine, name: str, text: str, recipient: str | None = None) -> None:
    """An age file /etc/nixos/NAME for the machine's host key, or for `recipient`."""
    machine.run(f"age -a -r '{recipient or machine.host_key}' -o /etc/nixos/{name}", stdin=text)


def words(machine: Machine, command: str) -> list[str]:
    return machine.run(command).stdout.split()


def pid(machine: Machine, unit: str) -> str:
    return machine.run(f"systemctl show -P MainPID {unit}").stdout


@pytest.fixture
def host(shared_machine: Machine) -> Machine:
    """The shared machine with the default configuration active."""
    configure(shared_machine, "")
    rebuild(shared_machine)
    return shared_machine


def test_login_running_postgresql(host: Machine) -> None:
    said = words(host, "id -un; systemctl is-system-running; systemctl is-active postgresql.target")
    assert said == ["root", "running", "active"]
    assert words(host, "runuser -u postgres -- psql -tAc 'show server_version_num'")[0] >= "170000"
    print("the host's clock:", host.run("date").stdout)


def test_run(host: Machine) -> None:
    assert host.run("cat", stdin="a\nb").stdout == "a\nb"
    assert host.run("exit 3", check=False).returncode == 3
    with pytest.raises(MachineError, match=r"(?s)ended with 3.*why"):
        host.run("echo why >&2; exit 3")
    with pytest.raises(subprocess.TimeoutExpired):
        host.run("sleep 20", timeout=0.5)
    assert host.console("echo $PATH").stdout.startswith("/run/current-system/sw/bin:")


def test_programs(host: Machine) -> None:
    found = "command -v nginx git age ssh jq setpriv flock runuser getfacl caddy postgrest curl openssl"
    assert len(words(host, found)) == 13
    packages = "nginx jq age util-linux postgresql_17 postgrest gawk gnused gnugrep openssl git curl caddy"
    configure(host, f"environment.systemPackages = with pkgs; [ {packages} ];")
    rebuild(host)
    linked = "{nginx,jq,age,runuser,flock,psql,postgrest,awk,sed,grep,openssl,git,curl,caddy,kill,base64}"
    host.run(f"ls -L /run/current-system/sw/bin/{linked}")


def test_pyinfra_data(host: Machine, tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.py"
    inventory.write_text(f"hosts = [({host.name!r}, {host.pyinfra_data()!r})]\n")
    command = [sys.executable, "-m", "pyinfra", str(inventory), "exec", "--", "nixos-version"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "25.11 (Miniature)" in done.stdout + done.stderr


def test_build_leaves_result(host: Machine) -> None:
    configure(host, 'environment.etc.probe.text = "built";')
    done = host.run("mkdir -p /tmp/b && cd /tmp/b && nixos-rebuild build --no-reexec && readlink -f result")
    path, result = done.stdout.split()
    assert path == result
    assert "Done. The new configuration is" in done.stderr
    assert host.run("test -e /etc/probe", check=False).returncode == 1


def test_switch_test_rollback(host: Machine) -> None:
    unit = """
        systemd.services.probe = { wantedBy = [ "multi-user.target" ]; script = "echo WORD; exec sleep infinity"; };
        environment.etc.probe.text = "WORD\\n";
    """
    first = words(host, SYSTEM)
    configure(host, unit.replace("WORD", "one"))
    assert "the following new units were started: probe.service" in rebuild(host, "test").stderr
    assert words(host, PROFILE) == first
    assert words(host, "cat /etc/probe; systemctl is-active probe") == ["one", "active"]
    rebuild(host)
    second = words(host, SYSTEM)
    assert second != first
    assert words(host, f"{PROFILE}; readlink -f /boot/default") == second * 2
    before = pid(host, "probe")
    assert "probe" not in rebuild(host).stderr
    assert pid(host, "probe") == before
    configure(host, unit.replace("WORD", "two"))
    said = rebuild(host, "dry-activate").stderr
    assert "would stop the following units: probe.service" in said
    assert "would start the following units: probe.service" in said
    assert words(host, SYSTEM) == second
    assert pid(host, "probe") == before
    rebuild(host, "switch --rollback")
    assert words(host, f"{SYSTEM}; {PROFILE}") == first * 2
    assert host.run("systemctl is-active probe", check=False).stdout == "inactive\n"
    generations = json.loads(rebuild(host, "list-generations --json").stdout)
    assert [g["current"] for g in generations].count(True) == 1


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("services.nonsense.enable = true;", "The option `services.nonsense' does not exist"),
        ("services.postgresql.nonsense = true;", "The option `services.postgresql.nonsense' does not exist"),
        ('services.postgresql.settings.port = "x";', "is not of type"),
        ('services.postgresql.settings = lib.mkMerge [ { a = "1"; } { a = "2"; } ];', "conflicting definition values"),
        ('assertions = [ { assertion = false; message = "not so"; } ];', "not so"),
        ("users.users.a.isSystemUser = true;", "users.users.a.group is unset"),
        (f'users.users.{"a" * 32} = {{ isSystemUser = true; group = "users"; }};', "longer than 31 characters"),
        ('systemd.services.a.serviceConfig.Type = "onceshot";', "invalid Type"),
    ],
)
def test_wrong_configuration(shared_machine: Machine, body: str, says: str) -> None:
    before = words(shared_machine, SYSTEM)
    configure(shared_machine, body)
    done = rebuild(shared_machine, check=False)
    assert done.returncode == 1
    assert says in done.stderr
    assert words(shared_machine, SYSTEM) == before


def test_failing_unit(host: Machine) -> None:
    """switch-to-configuration ends with 4, nixos-rebuild with 1, and the profile has moved, as on NixOS."""
    before = words(host, PROFILE)
    configure(host, 'systemd.services.bad = { wantedBy = [ "multi-user.target" ]; script = "exit 3"; };')
    done = rebuild(host, check=False)
    assert done.returncode == 1
    assert "the following units failed: bad.service" in done.stderr
    assert "non-zero exit status 4" in done.stderr
    assert words(host, PROFILE) == words(host, SYSTEM) != before


def test_unmet_condition_is_no_failure(host: Machine) -> None:
    configure(
        host,
        """
        systemd.services.later = {
          wantedBy = [ "multi-user.target" ];
          unitConfig.ConditionPathExists = "/var/lib/later";
          script = "exec sleep infinity";
        };
        """,
    )
    rebuild(host)
    assert host.run("systemctl is-active later", check=False).stdout == "inactive\n"
    assert words(host, "touch /var/lib/later && systemctl start later && systemctl is-active later") == ["active"]
    host.run("rm /var/lib/later")


def test_slices_and_unit_options(host: Machine) -> None:
    body = """
        systemd.slices.supabase-prod = { description = "prod"; sliceConfig.MemoryMax = "256M"; };
        systemd.services.a = {
          wantedBy = [ "multi-user.target" ];
          documentation = [ "https://example.org" ];
          startLimitIntervalSec = 7;
          startLimitBurst = 3;
          onFailure = [ "b.service" ];
          serviceConfig.Slice = "supabase-prod.slice";
          serviceConfig.ExecStartPre = [ "+${pkgs.coreutils}/bin/touch /run/a-pre" ];
          preStart = "true";
          script = "exec sleep infinity";
          reload = "touch /run/a-reloaded";
          reloadTriggers = [ "1" ];
        };
        systemd.services.b.script = "true";
    """
    configure(host, body)
    rebuild(host)
    properties = "Slice,StartLimitIntervalUSec,StartLimitBurst,OnFailure,Documentation,ControlGroup"
    shown = host.run(f"systemctl show a.service -p {properties}").stdout.split()
    assert {"StartLimitIntervalUSec=7s", "StartLimitBurst=3", "OnFailure=b.service"} <= set(shown)
    assert {"Slice=supabase-prod.slice", "Documentation=https://example.org"} <= set(shown)
    assert any(line.endswith("/supabase.slice/supabase-prod.slice/a.service") for line in shown)
    assert words(host, "systemctl show -P MemoryMax supabase-prod.slice") == [str(256 * 2**20)]
    before = pid(host, "a")
    configure(host, body.replace('[ "1" ]', '[ "2" ]').replace("256M", "512M"))
    said = rebuild(host).stderr
    assert "reloading the following units: a.service" in said
    assert "stopping" not in said
    assert pid(host, "a") == before
    assert words(host, "ls /run/a-reloaded /run/a-pre") == ["/run/a-pre", "/run/a-reloaded"]
    assert words(host, "systemctl show -P MemoryMax supabase-prod.slice") == [str(512 * 2**20)]


def test_services_find_only_their_path(host: Machine) -> None:
    configure(
        host,
        """
        systemd.services.poor = {
          serviceConfig.Type = "oneshot";
          script = "command -v grep; ! command -v jq; ! command -v psql";
        };
        systemd.services.rich = {
          serviceConfig.Type = "oneshot";
          path = [ pkgs.jq config.services.postgresql.finalPackage ];
          script = "command -v jq; command -v psql";
        };
        """,
    )
    rebuild(host)
    host.run("systemctl start poor rich")


def test_restart_triggers_follow_content(host: Machine) -> None:
    host.put("/etc/nixos/content", "1")
    configure(
        host,
        """
        systemd.services.c = {
          wantedBy = [ "multi-user.target" ];
          script = "exec sleep infinity";
          restartTriggers = [ ./content ];
          stopIfChanged = false;
        };
        """,
    )
    rebuild(host)
    assert "units" not in rebuild(host).stderr
    host.put("/etc/nixos/content", "2")
    assert "restarting the following units: c.service" in rebuild(host).stderr


def test_postgresql_settings(host: Machine) -> None:
    before = pid(host, "postgresql")
    configure(
        host,
        """
        services.postgresql = {
          settings = { max_connections = lib.mkDefault 77; shared_preload_libraries = [ "pg_stat_statements" ]; };
          authentication = lib.mkBefore "local all +friends peer map=friends";
          identMap = "friends root friend";
          ensureDatabases = [ "friend" ];
          ensureUsers = [ { name = "friend"; ensureDBOwnership = true; ensureClauses.login = true; } ];
        };
        """,
    )
    rebuild(host)
    assert pid(host, "postgresql") != before
    hba = host.run("cat $(runuser -u postgres -- psql -tAc 'show hba_file')").stdout.splitlines()
    assert [line.split() for line in hba if line and not line.startswith("#")] == [
        ["local", "all", "+friends", "peer", "map=friends"],
        ["local", "all", "postgres", "peer", "map=postgres"],
        ["local", "all", "all", "peer"],
        ["host", "all", "all", "127.0.0.1/32", "md5"],
        ["host", "all", "all", "::1/128", "md5"],
    ]
    host.run("runuser -u postgres -- psql -qc 'create role friends' -c 'grant friends to friend'")
    said = words(host, "psql -tA -U friend -d friend -c 'show max_connections' -c 'select current_user'")
    assert said == ["77", "friend"]
    assert words(host, "runuser -u postgres -- psql -tAc 'show shared_preload_libraries'") == ["pg_stat_statements"]
    host.run("runuser -u postgres -- psql -qc 'drop database friend' -c 'drop role friend' -c 'drop role friends'")


def test_users_come_and_go(host: Machine) -> None:
    user = """
        users.users.svc = { isSystemUser = true; uid = 20001; group = "svc"; extraGroups = [ MORE ]; };
        users.groups.svc.gid = 20001;
        users.groups.more = { };
    """
    configure(host, user.replace("MORE", '"more"'))
    rebuild(host)
    assert words(host, "id -u svc; id -gn svc; id -nG svc") == ["20001", "svc", "svc", "more"]
    configure(host, user.replace("MORE", ""))
    rebuild(host)
    assert words(host, "id -nG svc") == ["svc"]
    configure(host, "")
    rebuild(host)
    assert host.run("getent passwd svc; getent group svc more", check=False).stdout == ""
    assert words(host, "id -un postgres") == ["postgres"]


def test_caddy_and_nginx(host: Machine) -> None:
    configure(
        host,
        """
        services.caddy.enable = true;
        services.caddy.globalConfig = "admin unix//run/caddy/admin.sock";
        services.caddy.virtualHosts.":8081".extraConfig = "respond caddy";
        systemd.services.caddy.serviceConfig.RuntimeDirectory = "caddy";
        services.nginx.enable = true;
        services.nginx.virtualHosts.x = {
          listen = [ { addr = "127.0.0.1"; port = 8082; } ];
          locations."/".return = "200 nginx";
        };
        """,
    )
    rebuild(host)
    said = host.run("curl -sf --retry 5 --retry-connrefused http://127.0.0.1:8081 http://127.0.0.1:8082").stdout
    assert said == "caddynginx"


SECRETS = """
  users.users.app = { isSystemUser = true; group = "app"; };
  users.groups.app = { };
  age.secrets.good = { file = ./good.age; owner = "app"; mode = "0440"; };
  age.secrets.other = { file = ./other.age; path = "/run/elsewhere/other"; };
"""


def test_age_secrets(host: Machine) -> None:
    encrypt(host, "good.age", "one")
    encrypt(host, "other.age", "two")
    configure(host, SECRETS)
    rebuild(host)
    assert host.run("cat /run/agenix/good /run/elsewhere/other").stdout == "onetwo"
    stat = host.run("stat -L -c '%a %U %G' /run/agenix/good /run/elsewhere/other /run/agenix.d").stdout.splitlines()
    assert stat == ["440 app app", "400 root root", "751 root keys"]
    assert words(host, "stat -f -c %T /run/agenix.d") == ["ramfs"]
    first = words(host, "ls /run/agenix.d")
    rebuild(host)
    second = words(host, "ls /run/agenix.d")
    assert len(second) == 1
    assert second != first


def test_age_secret_that_does_not_open(host: Machine, tmp_path: Path) -> None:
    """As agenix: it is absent, the rest is there, units are handled, switch-to-configuration ends with 2."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    encrypt(host, "good.age", "one", recipient=(tmp_path / "key.pub").read_text().rsplit(" ", 1)[0])
    encrypt(host, "other.age", "two")
    configure(host, SECRETS + 'systemd.services.d = { wantedBy = [ "multi-user.target" ]; script = "exec sleep 900"; };')
    done = rebuild(host, "test", check=False)
    assert done.returncode == 1
    assert "non-zero exit status 2" in done.stderr
    assert words(host, "ls /run/agenix/; cat /run/agenix/other; echo; systemctl is-active d") == ["other", "two", "active"]


def test_configuration_without_agenix(host: Machine) -> None:
    """A module can see whether agenix is there."""
    optional = """
        { lib, options, ... }:
        {
          config = lib.mkMerge [
            { environment.etc.asked.text = ""; }
            (lib.optionalAttrs (lib.hasAttrByPath [ "age" "secrets" ] options) { environment.etc.has-agenix.text = ""; })
          ];
        }
    """
    host.put("/etc/nixos/optional.nix", optional)
    for imports, found in [(f"./optional.nix {AGENIX}", ["asked", "has-agenix"]), ("./optional.nix", ["asked"])]:
        configure(host, "", imports)
        rebuild(host, "test")
        assert words(host, "cd /etc; ls | grep -xE 'asked|has-agenix'") == found


def test_real_lib_and_agenix() -> None:
    """nixpkgs' own module system and agenix' own module do the same on this host."""
    lib, agenix = nixpkgs.nixpkgs_lib(), nixpkgs.agenix()
    if cache.missing() or lib is None or agenix is None:
        pytest.skip(cache.missing() or "NIX_PATH and channels give no nixpkgs lib or no agenix")
    machine = Machine.start(nixpkgs_lib=lib, agenix=agenix)
    try:
        encrypt(machine, "good.age", "one")
        encrypt(machine, "other.age", "two")
        configure(machine, SECRETS + "environment.etc.version.text = lib.version;")
        rebuild(machine)
        assert "mini" not in machine.run("cat /etc/version").stdout
        assert machine.run("stat -L -c '%a %U %G' /run/agenix/good").stdout == "440 app app\n"
        assert machine.run("cat /run/agenix/good /run/elsewhere/other").stdout == "onetwo"
        configure(machine, "services.postgresql.nonsense = true;")
        assert "The option `services.postgresql.nonsense' does not exist" in rebuild(machine, check=False).stderr
    finally:
        machine.stop()


def test_flake(host: Machine) -> None:
    """In a git tree a file that git does not know does not exist; with path: everything does."""
    flake = """
        {
          inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";
          inputs.agenix.url = "github:ryantm/agenix";
          outputs = { self, nixpkgs, agenix }: {
            nixosConfigurations.box = nixpkgs.lib.nixosSystem {
              system = "x86_64-linux";
              modules = [ agenix.nixosModules.default ./box.nix ];
            };
          };
        }
    """
    host.run("rm -rf /root/flake && mkdir /root/flake && git -C /root/flake init -q")
    host.put("/root/flake/flake.nix", flake)
    host.put("/root/flake/box.nix", '{ services.postgresql.enable = true; environment.etc.probe.text = "flake"; }')
    host.run("git -C /root/flake add flake.nix")
    done = rebuild(host, "test --flake /root/flake#box", check=False)
    assert done.returncode == 1
    assert "box.nix" in done.stderr
    rebuild(host, "test --flake path:/root/flake#box")
    host.run("git -C /root/flake add -N box.nix")
    rebuild(host, "test --flake /root/flake#box")
    assert words(host, "cat /etc/probe") == ["flake"]


def test_snapshot(host: Machine) -> None:
    host.run("mkdir -p /srv/s/d; echo a > /srv/s/f; ln -sfn f /srv/s/l; touch '/srv/s/with space'")
    before = host.snapshot("/srv/s", "/nowhere")
    assert set(before) == {"/srv/s", "/srv/s/d", "/srv/s/f", "/srv/s/l", "/srv/s/with space"}
    assert host.snapshot("/srv/s") == before
    assert host.snapshot("/nowhere") == {}
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
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(host.run, "sleep 31.5", check=False)
        while host.console("pgrep -f '^sleep 31.5'", check=False).returncode:
            pass
        host.cut_network(reset=True)
        assert waiting.result(timeout=5).returncode == 255
    host.restore_network()
    assert host.run("echo again").stdout == "again\n"


def test_reboot_and_power_cut(machine: Machine) -> None:
    """State stays; what boots is the boot default, not what `test` made active."""
    first = words(machine, SYSTEM)
    encrypt(machine, "good.age", "one")
    encrypt(machine, "other.age", "two")
    configure(machine, SECRETS)
    rebuild(machine, "test")
    second = words(machine, SYSTEM)
    assert second != first
    machine.run("runuser -u postgres -- psql -qc 'create table kept (n int)' -c 'insert into kept values (1)'")
    machine.power_cut()
    assert words(machine, f"{SYSTEM}; readlink -f /run/booted-system") == first * 2
    assert words(machine, "runuser -u postgres -- psql -tAc 'select n from kept'") == ["1"]
    assert "was not properly shut down" in machine.run("journalctl -b -u postgresql").stdout
    machine.run(f"nix-env -p /nix/var/nix/profiles/system --set {second[0]}")
    machine.run(f"{second[0]}/bin/switch-to-configuration boot")
    assert words(machine, SYSTEM) == first
    machine.reboot()
    assert words(machine, f"{SYSTEM}; {PROFILE}") == second * 2
    assert machine.run("cat /run/agenix/good").stdout == "one"
    assert words(machine, "systemctl is-system-running; systemctl is-active postgresql.target") == ["running", "active"]


def test_two_machines_and_nothing_left(machine: Machine) -> None:
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda _: Machine.start(), range(2))
    try:
        assert len({one.host_key, two.host_key, machine.host_key}) == 3
        assert len({one.ip, two.ip, machine.ip}) == 3
        assert words(one, "cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub") == one.host_key.split()
        assert one.run(f"timeout 1 bash -c ': < /dev/tcp/{two.ip}/22'", check=False).returncode != 0
        one.run("touch /srv/mine")
        assert two.run("ls /srv").stdout == ""
        veth = (one.state / "veth").read_text().strip()
    finally:
        one.stop()
        two.stop()
    one.stop()
    assert not one.state.exists()
    assert f"sth-{one.name}" not in subprocess.run(["ip", "netns"], check=True, capture_output=True, text=True).stdout
    assert not Path(f"/sys/class/net/{veth}").exists()
    assert one.name not in Path("/proc/self/mountinfo").read_text()
    assert list(Path("/sys/fs/cgroup").glob(f"**/sth-{one.name}")) == []
