# The databases of the instances in $1 (a space between two) are ready: mark them, so that their units may start at
# every boot; then start the units $2...
set -eu
for instance in $1; do
  mkdir -p "/var/lib/supabase/$instance"
  : > "/var/lib/supabase/$instance/database-ready"
done
sync -f /var/lib/supabase
shift
if [ $# = 0 ]; then exit 0; fi
systemctl reset-failed "$@" 2>/dev/null || true
if systemctl start "$@"; then exit 0; fi
for unit in "$@"; do
  if ! systemctl --quiet is-active "$unit"; then unit_log "$unit"; fi
done
exit 1
