# Build the host's next system from its configuration: $1 module tree, $2 flake reference or "" for a channel host.
# Prints `built PATH` last. Nothing is activated; when anything fails the module tree goes back to what runs.
set -eu
dir=$1 flake=$2
if [ -r /etc/set-environment ]; then set +u; . /etc/set-environment; set -u; fi
work=/var/lib/supabase/build
mkdir -p "$work"
cd "$work"
give_up() {
  echo "$1" >&2
  rm -f "$work/result"
  restore_tree "$dir" /run/current-system
  exit 1
}
if [ -n "$flake" ]; then set -- --flake "$flake"; else set --; fi
nixos-rebuild build "$@" >/dev/null || give_up "the build failed; the host runs on as it was and its module tree is restored"
built=$(readlink -f "$work/result")
if ! [ -e "$built/etc/supabase/revision" ]; then
  give_up "the built system does not contain the module: add  imports = [ $dir ];  to the host's configuration and run again"
fi
"$built/etc/supabase/check-secrets" || give_up "secrets listed above do not open on this host; check its key in known_hosts, then run again"
echo "built $built"
