# Return to the system that ran before: $1 is the reason, $2 the epoch of the run that armed. Started by the timer of
# arm.sh, by a run that saw a failure, or at boot. Whoever comes second finds nothing left to do.
set -u
reason=$1 run=${2-}
base=/var/lib/supabase
state=$base/way-back
now() { readlink -f /run/current-system; }
exec 8>>/run/supabase-way-back.lock 9>>/run/supabase-host.lock
if [ "$reason" = boot ]; then
  # Every switch starts the boot unit too: while the host has not restarted, a run is at work. One that has come since
  # the restart finds the way back armed, and arms it anew.
  [ "$(cat "$state/boot")" != "$(cat /proc/sys/kernel/random/boot_id)" ] || exit 0
  flock -n 9 || exit 0
  flock 8
  [ -e "$state/since" ] || exit 0
  target=$(now) profile=$target reason='the host restarted before health was seen'
else
  # While a later run has the host, that run decides: it arms anew, or it ends.
  while :; do
    flock 8
    [ -e "$state/since" ] && [ "$(cat "$state/run")" = "$run" ] || exit 0
    if [ "$(cat "$base/epoch")" = "$run" ] || flock -n 9; then break; fi
    flock -u 8
    sleep 0.5
  done
  target=$(readlink -f "$state/target") profile=$(readlink -f "$state/profile")
fi
# The run that armed has lost the host: its next step sees another epoch, and the next run need not wait for it.
printf '%s\n' "$(($(cat "$base/epoch") + 1))" > "$base/epoch.new"
mv -f "$base/epoch.new" "$base/epoch"
# Nobody else may write the tree meanwhile.
flock -n 9 || { kill "$(cat /run/supabase-host.pid)"; flock -w 60 9; }
systemctl stop nixos-rebuild-switch-to-configuration.service 2>/dev/null
restore_tree "$(cat "$state/tree")" "$target"
if [ -e "$state/default" ]; then
  nix-env -p /nix/var/nix/profiles/system --set "$profile"
  "$profile/bin/switch-to-configuration" boot
fi
# A boot has activated already. A foreign switch may be in the way for a while.
attempts=20
while [ "$1" != boot ]; do
  systemd-run --quiet --collect --wait --unit=nixos-rebuild-switch-to-configuration \
    --property=StandardOutput=truncate:/run/supabase-return.log --property=StandardError=inherit \
    "$target/bin/switch-to-configuration" test
  status=$?
  attempts=$((attempts - 1))
  if [ "$(now)" = "$target" ] && [ "$status" -le 4 ]; then break; fi
  if [ "$attempts" = 0 ]; then echo "could not return to $target; see /run/supabase-return.log" >&2; exit 1; fi
  sleep 3
done
printf 'returned at %s: %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$reason" > "$base/returned"
rm -f "$state/since" /nix/var/nix/gcroots/supabase-way-back
rm -rf "$state"
sync -f "$base"
systemctl stop supabase-way-back.timer 2>/dev/null
echo "the host has returned to $target: $reason (switch-to-configuration: ${status-not needed})"
