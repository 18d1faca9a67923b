#!/bin/bash
# up.sh NAME -- starts one throw-away test host and prints the ssh command that reaches it (nothing else on stdout).
#
#   TESTHOST_DIR   layers, login key and run/ (default ~/.cache/supabase-testhost)
#   UPPER          tmpfs (default): the host's changes live in memory; disk: in TESTHOST_DIR; a directory: kept there
#   LAYERS         lowerdir to use instead of what build-rootfs.sh gives
#   NIXPKGS_LIB, AGENIX   directories that replace the miniature lib and agenix by real ones
#
# One host = a private mount namespace with an overlay, a network namespace with a veth pair and no route out, a cgroup, and
# systemd-nspawn with Debian's systemd as pid 1. State in TESTHOST_DIR/run/NAME: pid (of the supervisor), nspawn.pid, ip, veth,
# known_hosts, console.log. `reboot` inside restarts the host with its changes kept, `poweroff` ends it. A power cut:
# touch run/NAME/again and SIGKILL the guest's init. down.sh NAME undoes all of it.
set -euo pipefail
export NAME=${1:?usage: up.sh NAME}
here=$(cd "$(dirname "$0")" && pwd)
export TESTHOST_DIR=${TESTHOST_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/supabase-testhost}
export UPPER=${UPPER:-tmpfs} STATE=$TESTHOST_DIR/run/$NAME NETNS=sth-$NAME NIXPKGS_LIB=${NIXPKGS_LIB:-} AGENIX=${AGENIX:-}
[[ $NAME =~ ^[a-z0-9]{1,12}$ ]] || { echo "up.sh: a name has 1 to 12 of a-z0-9" >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo "up.sh: must be root" >&2; exit 2; }
LAYERS=${LAYERS:-$("$here/build-rootfs.sh")}
export LAYERS
mkdir -p "$TESTHOST_DIR/run"
mkdir "$STATE" 2> /dev/null || { echo "up.sh: $NAME is up already, or died: down.sh $NAME" >&2; exit 3; }
mkdir "$STATE/mnt" "$STATE/data"
trap 'rc=$?; [ $rc = 0 ] || { "$here/down.sh" "$NAME"; exit $rc; }' EXIT

# ---- network: the first free /30 of 10.214.0.0/16; the veth pair itself is the claim, so hosts can start at the same time
ip netns add "$NETNS"
n=0
until ip link add "sth$n" type veth peer name host0 netns "$NETNS" 2> "$STATE/error"; do
  ip link show "sth$n" > /dev/null 2>&1 || { cat "$STATE/error" >&2; exit 1; }
  n=$((n + 1))
done
echo "sth$n" > "$STATE/veth"
near=10.214.$((n / 64)).$((n % 64 * 4 + 1)) ip=10.214.$((n / 64)).$((n % 64 * 4 + 2))
ip addr add "$near/30" dev "sth$n"
ip link set "sth$n" up
ip -n "$NETNS" addr add "$ip/30" dev host0
ip -n "$NETNS" link set host0 up
ip -n "$NETNS" link set lo up
echo "$ip" > "$STATE/ip"

# ---- cgroup: nspawn makes supervisor/ and payload/ below the one it runs in, in the v2 tree (/sys/fs/cgroup/unified on a
#      hybrid machine) and in name=systemd if there is one
for tree in /sys/fs/cgroup/unified /sys/fs/cgroup/systemd /sys/fs/cgroup; do
  [ ! -e "$tree/cgroup.procs" ] || { mkdir "$tree/$NETNS"; echo "$tree/$NETNS" >> "$STATE/cgroups"; }
done

# ---- an identity of its own
ssh-keygen -q -t ed25519 -N '' -C root@nixos -f "$STATE/ssh_host_ed25519_key"
read -r type public _ < "$STATE/ssh_host_ed25519_key.pub"
echo "$ip $type $public" > "$STATE/known_hosts"

# ---- the supervisor. setsid: Ctrl-C in a terminal does not reach it. unshare: the overlay and its tmpfs are mounted for these
#      processes only, and vanish with them
# shellcheck disable=SC2016
setsid unshare --mount --propagation private bash -c '
  set -e
  while read -r cgroup; do echo $$ > "$cgroup/cgroup.procs"; done < "$STATE/cgroups"
  root=$STATE/mnt data=$STATE/data
  case $UPPER in tmpfs) mount -t tmpfs -o size=50%,mode=755 testhost "$data";; disk) ;; *) data=$UPPER;; esac
  mkdir -p "$data/upper" "$data/work"
  mount -t overlay overlay -o "lowerdir=$LAYERS,upperdir=$data/upper,workdir=$data/work" "$root"
  : > "$root/etc/machine-id"
  mv "$STATE"/ssh_host_ed25519_key "$STATE"/ssh_host_ed25519_key.pub "$root/etc/ssh/"
  [ -z "$NIXPKGS_LIB" ] || { rm -rf "$root/etc/mini-nixpkgs/lib"; cp -rL "$NIXPKGS_LIB" "$root/etc/mini-nixpkgs/lib"; }
  [ -z "$AGENIX" ] || { rm -rf "$root/etc/mini-nixpkgs/agenix"; cp -rL "$AGENIX" "$root/etc/mini-nixpkgs/agenix"; }
  export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
  set +e
  while :; do
    # pid 1 is the init of the boot default, which activates and becomes systemd; before the first generation, systemd
    init=(/boot/default/init); [ -L "$root/boot/default" ] || init=(--boot)
    # beyond the defaults: own network, address filters. Not SYS_TIME (the clock is this machine'"'"'s), SYS_MODULE, SYS_RAWIO
    systemd-nspawn --quiet --directory="$root" --machine="$NAME" --kill-signal=SIGRTMIN+4 --register=no --keep-unit \
      --network-namespace-path="/run/netns/$NETNS" --capability=CAP_NET_ADMIN,CAP_BPF,CAP_PERFMON,CAP_IPC_LOCK,CAP_SYSLOG \
      --system-call-filter="@keyring bpf" --resolv-conf=off --timezone=off --link-journal=no --console=read-only "${init[@]}" &
    echo $! > "$STATE/nspawn.pid"
    wait $!
    rc=$?
    [ $rc != 133 ] || continue                    # the guest asked for a reboot
    [ ! -e "$STATE/again" ] || { rm "$STATE/again"; continue; }
    exit $rc
  done
' > "$STATE/console.log" 2>&1 < /dev/null &
echo $! > "$STATE/pid"

for _ in $(seq 1 1200); do
  ! (exec 3<> "/dev/tcp/$ip/22") 2> /dev/null || { echo "ssh -i $TESTHOST_DIR/key -o UserKnownHostsFile=$STATE/known_hosts -o StrictHostKeyChecking=yes -o BatchMode=yes -o LogLevel=ERROR root@$ip"; exit 0; }
  kill -0 "$(cat "$STATE/pid")" 2> /dev/null || break
  sleep 0.05
done
echo "up.sh: $NAME did not come up:" >&2
tail -20 "$STATE/console.log" >&2
exit 1
