# What the host runs. Prints `key value` lines; absent things print nothing. Units are lines of
# systemctl: name, load state, state, and more. No arguments.
set -u
state=/var/lib/supabase
link() { if [ -e "$2" ]; then echo "$1 $(readlink -f "$2")"; fi; }
text() { if [ -r "$2" ]; then printf '%s %s\n' "$1" "$(cat "$2")"; fi; }
if [ -e /etc/NIXOS ]; then echo "nixos yes"; fi
for tool in nixos-rebuild git flock curl runuser; do command -v "$tool" >/dev/null && echo "tool $tool"; done
link running /run/current-system
link profile /nix/var/nix/profiles/system
link confirmed "$state/confirmed"
text revision /run/current-system/etc/supabase/revision
text confirmed_revision "$state/confirmed/etc/supabase/revision"
text epoch "$state/epoch"
text armed "$state/way-back/since"
text returned "$state/returned"
for marker in "$state"/*/database-ready; do
  if [ -e "$marker" ]; then marker=${marker%/database-ready}; echo "ready ${marker##*/}"; fi
done
# Not `systemctl show`, which asks for every property of every unit: a second for 200 of them.
systemctl list-units --all --type=service,socket --no-legend --plain 'supabase-*' postgresql.service caddy.service nginx.service 2>/dev/null
exit 0
