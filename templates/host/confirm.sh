# Health was seen on the built system: it becomes the boot default and the confirmed system, and the way back is disarmed.
set -eu
state=/var/lib/supabase
built=$(readlink -f "$state/build/result")
exec 8>>/run/supabase-way-back.lock
flock 8
if [ "$(readlink -f /run/current-system)" != "$built" ]; then
  echo "the host no longer runs $built: the way back came first" >&2
  exit 1
fi
if [ "$(readlink -f /nix/var/nix/profiles/system)" != "$built" ]; then
  nix-env -p /nix/var/nix/profiles/system --set "$built"
  "$built/bin/switch-to-configuration" boot
fi
ln -sfn "$built" "$state/confirmed.new"
mv -fT "$state/confirmed.new" "$state/confirmed"
ln -sfn "$state/confirmed" /nix/var/nix/gcroots/supabase-confirmed
rm -f "$state/way-back/since" "$state/returned"
rm -rf "$state/way-back" /nix/var/nix/gcroots/supabase-way-back "$state/build/result"
systemctl stop supabase-way-back.timer 2>/dev/null || true
sync -f "$state"
