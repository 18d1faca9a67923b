# What the host runs. Prints `key value` lines; absent things print nothing. No arguments.
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
for marker in "$state"/*/database-ready; do [ -e "$marker" ] && echo "ready $(basename "$(dirname "$marker")")"; done
systemctl show --property=Id,ActiveState 'supabase-*.service' 2>/dev/null | while IFS= read -r line; do
  case $line in Id=*) unit=${line#Id=} ;; ActiveState=*) active=${line#ActiveState=} ;; '') ;; esac
  case $line in Id=* | ActiveState=*) if [ -n "${unit-}" ] && [ -n "${active-}" ]; then echo "unit $unit $active"; unit='' active=''; fi ;; esac
done
systemctl list-units --state=failed --no-legend --plain 2>/dev/null | while read -r unit _; do echo "failed $unit"; done
exit 0
