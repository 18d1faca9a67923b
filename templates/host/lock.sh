# The host-wide lock, held for as long as dots keep coming on stdin: $1 the epoch this run has seen, $2 who asks. Prints
# `held NEW-EPOCH`, `busy HOLDER`, or `moved` when the host has been changed since. The epoch is also the number by which
# the steps of a run are told from those of a later one.
set -u
mkdir -p /var/lib/supabase
exec 9>>/run/supabase-host.lock
if ! flock -n 9; then echo "busy $(cat /run/supabase-host.holder)"; exit 0; fi
epoch=/var/lib/supabase/epoch
if [ "$(cat "$epoch" 2>/dev/null)" != "$1" ]; then echo moved; exit 0; fi
printf '%s since %s\n' "$2" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" > /run/supabase-host.holder
echo $$ > /run/supabase-host.pid
run=$((${1:-0} + 1))
printf '%s\n' "$run" > "$epoch.new"
mv -f "$epoch.new" "$epoch"
echo "held $run"
# A workstation that vanishes from the network closes nothing.
while [ "$(timeout 30 head -c 1 9>&-)" = . ]; do :; done
