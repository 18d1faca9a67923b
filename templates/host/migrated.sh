# Whether realtime has migrated its databases: the port of PostgreSQL, then `INSTANCE DATABASE` for each. Its own login looks,
# for its tables are the instance's.
set -u
port=$1 failed=0
shift
while [ $# -ge 2 ]; do
  said=$(runuser -u "supabase-$1-realtime" -- psql -XAtqw -v ON_ERROR_STOP=1 -p "$port" -U "supabase_$1_realtime" -d "$2" \
    -c 'SELECT pg_catalog.count(*) FROM realtime.schema_migrations' 2>&1)
  case $said in
    ''|0|*[!0-9]*)
      echo "$1: realtime answers, but has not migrated its database: ${said:-psql gave no answer};" \
        "see  journalctl -u supabase-$1-realtime  on the host" >&2
      failed=1 ;;
  esac
  shift 2
done
exit $failed
