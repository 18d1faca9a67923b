# Build the host's next system from its configuration: $1 module tree, $2 flake reference or "" for a channel host, $3 the
# run's epoch, $4... what the built system's revision must hold. Prints `built PATH` last. Nothing is activated; when
# anything fails the module tree goes back to what runs.
set -eu
dir=$1 flake=$2 run=$3
shift 3
if [ -r /etc/set-environment ]; then set +u; . /etc/set-environment || true; set -u; fi
work=/var/lib/supabase/build
mkdir -p "$work"
cd "$work"
rm -f result
give_up() {
  echo "$1" >&2
  rm -f "$work/result"
  if [ "$(cat /var/lib/supabase/epoch)" = "$run" ]; then restore_tree "$dir" /run/current-system; fi
  exit 1
}
rebuild() { if [ -n "$flake" ]; then nixos-rebuild build --flake "$flake"; else nixos-rebuild build; fi >/dev/null; }
rebuild || give_up "the build failed; the host runs on as it was and its module tree is restored"
built=$(readlink -f "$work/result")
revision=$built/etc/supabase/revision
if ! [ -e "$revision" ]; then
  give_up "the built system does not contain the module: add  imports = [ $dir ];  to the host's configuration and run again"
fi
for part; do
  grep -qF -- "$part" "$revision" ||
    give_up "the built system was not made from $dir as this run wants it: import the module from there only, and run again"
done
"$built/etc/supabase/check-secrets" || give_up "secrets listed above do not open on this host; check its key in known_hosts, then run again"
echo "built $built"
