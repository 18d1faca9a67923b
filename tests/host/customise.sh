#!/bin/bash
# customise.sh ROOT AUTHORIZED_KEY POSTGREST -- turns the Debian tree ROOT into the miniature NixOS, before its first boot.
set -euo pipefail
root=$1 key=$2 postgrest=$3
here=$(cd "$(dirname "$0")" && pwd)
mini=$root/etc/mini-nixpkgs units=$root/usr/lib/systemd/system
install -m755 "$postgrest" "$root/usr/local/bin/postgrest"
install -m755 "$here"/mini/bin/* "$root/usr/local/bin/"
mkdir -p "$mini" "$root/etc/nixos" "$root/nix/store" "$root/nix/var/nix/profiles" "$root/var/lib/nixos" "$root/boot"
cp -r "$here/mini/." "$mini/"
rm -r "$mini/bin"
# shellcheck disable=SC2016
chroot "$root" bash -euc '
  dpkg-query -W -f "\${Package}\n" | while read -r p; do
    dpkg -L "$p" | grep -E "^(/usr)?/s?bin/." | sed "s|^/usr||; s|^|/usr|" | sort -u | jq -Rn --arg p "$p" "{(\$p): [inputs]}"
  done | jq -s add > /etc/mini-nixpkgs/programs.json
  # the ids they have on NixOS
  groupmod -g 30000 nixbld
  for i in {1..10}; do usermod -u $((30000 + i)) nixbld$i; done
  { sed "s/^\([^:]*\):.*/user \1/" /etc/passwd; sed "s/^\([^:]*\):.*/group \1/" /etc/group; } > /etc/mini-nixpkgs/distribution-users
  /usr/lib/postgresql/17/bin/postgres --version | grep -oE "[0-9]+\.[0-9]+" | head -1 > /etc/mini-nixpkgs/postgresql-version'

touch "$root/etc/NIXOS"
install -d -m700 "$root/root/.ssh"
cp "$key" "$root/root/.ssh/authorized_keys"
printf '127.0.0.1 localhost\n::1 localhost\n' > "$root/etc/hosts"
rm -f "$root/etc/resolv.conf"
: > "$root/etc/resolv.conf"
# no substituters: the host has no route out, and would wait for them
cat > "$root/etc/nix/nix.conf" <<'N'
sandbox = true
sandbox-paths = /bin=/usr/bin /usr /lib=/usr/lib /lib64=/usr/lib64 /etc/alternatives
substituters =
max-jobs = auto
experimental-features = nix-command flakes
flake-registry =
trusted-users = root
N
cat > "$root/etc/environment" <<'N'
PATH=/run/current-system/sw/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
NIX_PATH=nixpkgs=/etc/mini-nixpkgs:agenix=/etc/mini-nixpkgs/agenix:nixos-config=/etc/nixos/configuration.nix
LANG=C.UTF-8
N
cat > "$root/etc/ssh/sshd_config.d/testhost.conf" <<'N'
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/authorized_keys.d/%u
UseDNS no
MaxStartups 100
MaxSessions 100
N
# what they look for is not here, and each reload of units runs them all
rm -f "$root"/usr/lib/systemd/system-generators/systemd-*
# Debian's own enablement becomes vendor links, so that /etc/systemd/system can belong to the generations
etc=$root/etc/systemd/system
rm -f "$etc"/multi-user.target.wants/{caddy,nginx,postgresql,nftables}.service "$etc"/timers.target.wants/* "$etc"/getty.target.wants/*
(cd "$etc" && find . -type l | while read -r link; do mkdir -p "$units/$(dirname "$link")"; cp -a "$link" "$units/$link"; done)
rm -rf "$etc"
mkdir "$etc"
ln -sf multi-user.target "$units/default.target"
(cd "$units" && rm -f console-getty.service getty@.service systemd-modules-load.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
  e2scrub_all.timer fstrim.timer postgresql@.service postgresql.service caddy.service caddy-api.service nginx.service)
# else the sysv generator makes services of the init scripts, a postgresql.service among them
rm -f "$root"/etc/init.d/* "$root"/etc/rc?.d/*
rm -f "$root"/usr/lib/systemd/system-generators/{postgresql-generator,systemd-ssh-generator}
mkdir -p "$root/etc/systemd/journald.conf.d"
printf '[Journal]\nStorage=volatile\nRateLimitBurst=0\n' > "$root/etc/systemd/journald.conf.d/testhost.conf"
cat > "$root/etc/nixos/configuration.nix" <<'N'
{ config, lib, pkgs, ... }:
{
  imports = [ <agenix/modules/age.nix> ];
  networking.hostName = "nixos";
  services.openssh.enable = true;
  services.postgresql.enable = true;
  system.stateVersion = "25.11";
}
N
