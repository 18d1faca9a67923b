# The host-wide lock, held for as long as this process has its stdin: $1 the epoch this run has seen, $2 who asks.
# Prints `held`, `busy HOLDER`, or `moved` when another run has changed the host since.
set -u
mkdir -p /var/lib/supabase
exec 9>>/run/supabase-host.lock
if ! flock -n 9; then echo "busy $(cat /run/supabase-host.holder)"; exit 0; fi
epoch=/var/lib/supabase/epoch
if [ "$(cat "$epoch" 2>/dev/null)" != "$1" ]; then echo moved; exit 0; fi
printf '%s since %s\n' "$2" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" > /run/supabase-host.holder
printf '%s\n' "$((${1:-0} + 1))" > "$epoch.new"
mv -f "$epoch.new" "$epoch"
echo held
cat > /dev/null
