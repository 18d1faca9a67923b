# Health was seen on the built system: it becomes the boot default and the confirmed system, and the way back is disarmed.
set -eu
state=/var/lib/supabase
built=$(readlink -f "$state/build/result")
exec 8>>/run/supabase-way-back.lock
flock 8
if ! [ -e "$state/way-back/since" ] || [ "$(readlink -f /run/current-system)" != "$built" ]; then
  echo "the host no longer runs $built: the way back came first" >&2
  exit 1
fi
# From here on a return, or a boot, has the boot default to set right too.
: > "$state/way-back/default"
sync -f "$state"
nix-env -p /nix/var/nix/profiles/system --set "$built"
"$built/bin/switch-to-configuration" boot
ln -sfn "$built" "$state/confirmed.new"
mv -fT "$state/confirmed.new" "$state/confirmed"
ln -sfn "$state/confirmed" /nix/var/nix/gcroots/supabase-confirmed
sync -f "$state"
rm -f "$state/way-back/since" "$state/returned"
rm -rf "$state/way-back" /nix/var/nix/gcroots/supabase-way-back "$state/build/result"
sync -f "$state"
systemctl stop supabase-way-back.timer supabase-way-back.service 2>/dev/null || true
