# Arm the way back: $1 seconds, $2 module tree, $3 who, $4 the run's epoch, $5 the script of the return. From now on the
# host returns by itself to the system it runs (or to the one an earlier, unfinished run wanted to return to) unless
# confirm.sh comes in time. The script is kept on disk, so that a boot can finish the return too.
set -eu
seconds=$1 dir=$2 who=$3 run=$4
state=/var/lib/supabase/way-back
unit=supabase-way-back
exec 8>>/run/supabase-way-back.lock
flock 8
systemctl stop "$unit.timer" "$unit.service" 2>/dev/null || true
# After a restart no earlier run is at work: what runs now is what to return to.
if [ ! -e "$state/since" ] || ! cmp -s "$state/boot" /proc/sys/kernel/random/boot_id; then
  rm -rf "$state"
  mkdir -p -m 0700 "$state"
  ln -s "$(readlink -f /run/current-system)" "$state/target"
  ln -s "$(readlink -f /nix/var/nix/profiles/system)" "$state/profile"
  ln -sfn "$state/target" /nix/var/nix/gcroots/supabase-way-back
  printf '%s\n' "$dir" > "$state/tree"
fi
cp /proc/sys/kernel/random/boot_id "$state/boot"
printf '%s\n' "$run" > "$state/run"
printf "PATH='%s'\n%s\n" "$PATH" "$5" > "$state/return.sh"
printf '%s by %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$who" > "$state/since"
sync -f "$state"
systemctl reset-failed "$unit.service" 2>/dev/null || true
systemd-run --quiet --collect --unit="$unit" --on-active="${seconds}s" --timer-property=AccuracySec=100ms \
  --property=Type=oneshot /bin/sh "$state/return.sh" "no confirmation within $seconds seconds" "$run"
