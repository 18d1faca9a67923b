# Run the command $2... as a step of run $1: after whatever a run that has died left at work here, and only while no
# later run has the host and the host has not returned. (A connection that is gone does not end its last command.)
set -u
run=$1
shift
exec 7>>/run/supabase-step.lock
if ! flock -w 600 7; then echo "a step of an earlier run is still at work; see who has /run/supabase-step.lock open" >&2; exit 1; fi
if [ "$(cat /var/lib/supabase/epoch)" != "$run" ]; then
  echo "this run no longer has the host: its way back has come, or another run has taken over" >&2
  exit 1
fi
exec "$@"
