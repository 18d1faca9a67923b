# Dump databases before services of another version start on them: $1 module tree, $2 the run's epoch, $3 the port of PostgreSQL,
# then `INSTANCE DATABASE SERVICES` for each, its services with a space between two. What has started on a database already is
# no reason any more: its dump is there. Of an instance the last three are kept. When anything fails the module tree goes back
# to what runs, and nothing has been activated.
set -eu
umask 077
dir=$1 run=$2 port=$3 state=/var/lib/supabase
shift 3
next=$state/build/result
if ! [ -e "$next" ]; then next=/run/current-system; fi
give_up() {
  echo "$1" >&2
  rm -f "$state/build/result"
  if [ "$(cat $state/epoch)" = "$run" ]; then restore_tree "$dir" /run/current-system; fi
  exit 1
}
as_postgres() { program=$1; shift; runuser -u postgres -- "$program" -w -p "$port" "$@"; }
# `SERVICE-VERSION` of each service that will change: what the dump is of. auth is known when it has started here before.
of_before() {
  for service in $2; do
    seen=$(cat "$state/$1/migrated/$service" 2>/dev/null || true)
    if [ "$service" = auth ] && [ -z "$seen" ]; then continue; fi
    if ! grep -qxF "$service $seen" "$next/etc/supabase/versions"; then printf -- '-%s-%s' "$service" "${seen:-unknown}"; fi
  done
}
while [ $# -ge 3 ]; do
  instance=$1 database=$2 versions=$(of_before "$1" "$3")
  shift 3
  if [ -z "$versions" ]; then continue; fi
  to=$state/dumps/$instance
  install -d -m 0700 "$state/dumps" "$to"
  rm -f "$to"/*.new
  # Asked in another database: nothing of the instance's own runs in this session.
  size=$(printf '%s' "SELECT pg_catalog.pg_database_size(:'database')" |
    as_postgres psql -XAtq -v ON_ERROR_STOP=1 -v "database=$database" -d postgres) || give_up "$instance: the size of $database could not be read"
  free=$(df --output=avail -B1 "$to" | tail -n 1)
  if [ "$free" -le $((size + 67108864)) ]; then
    give_up "$instance: no room for a dump of $database: it has $((size >> 20)) MiB, and $to only $((free >> 20)) MiB free; make room and run again"
  fi
  file=$to/$(date -u +%Y%m%dT%H%M%SZ)$versions.dump
  as_postgres pg_dump -Fc -d "$database" > "$file.new" || give_up "$instance: $database could not be dumped; see above, and run again"
  pg_restore --list "$file.new" >/dev/null || give_up "$instance: the dump of $database cannot be read; run again"
  sync "$file.new"
  mv -f "$file.new" "$file"
  sync "$to"
  echo "dumped $database before its services change: $file ($(($(stat -c %s "$file") >> 10)) KiB)"
  ls -1 "$to"/*.dump | sort | head -n -3 | while IFS= read -r old; do rm -f "$old"; done
done
