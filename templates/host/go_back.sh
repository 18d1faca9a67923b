# Put a database back to a dump of before its services changed, by hand: $1 instance, $2 its database, $3 the dump (else the newest),
# $4 the port of PostgreSQL. Its services stay stopped. What was written since the dump is lost. Nothing of the dump runs in a
# superuser's session: the instance's owner restores it, who is a member of its services' logins meanwhile. One transaction:
# whatever goes wrong, the database is as it was.
set -eu
instance=$1 database=$2 port=${4:-5432} state=/var/lib/supabase
case $instance$database$port in *[!a-z0-9_]*) echo 'INSTANCE DATABASE [DUMP [PORT]], as they are called in group_data' >&2; exit 2 ;; esac
dump=${3:-}
if [ -z "$dump" ]; then for file in "$state/dumps/$instance/"*.dump; do dump=$file; done; fi
if ! [ -f "$dump" ]; then echo "there is no dump $dump; nothing was touched" >&2; exit 1; fi
exec 9>>/run/supabase-host.lock
if ! flock -n 9; then echo "a run is changing this host: $(cat /run/supabase-host.holder)" >&2; exit 1; fi
owner=supabase_$instance
lent="${owner}_auth, ${owner}_realtime, supabase_auth_admin, supabase_storage_admin"
umask 077
work=$(mktemp -d /run/supabase-go-back.XXXXXX)
as_superuser() { runuser -u postgres -- psql -Xqw -v ON_ERROR_STOP=1 -p "$port" -d postgres -c "$1"; }
cleanup() { as_superuser "REVOKE $lent FROM $owner" 2>/dev/null || true; rm -rf "$work"; }
trap cleanup EXIT

# Without what superusers have made, which is there.
pg_restore --list "$dump" > "$work/all"
sed -E "$work/all" > "$work/list" \
  -e '/^[0-9]+; [0-9]+ [0-9]+ (EXTENSION|EVENT TRIGGER|PUBLICATION) - /d' \
  -e '/^[0-9]+; [0-9]+ [0-9]+ SCHEMA - (extensions|public) /d' \
  -e '/^[0-9]+; [0-9]+ [0-9]+ (ACL|COMMENT) - (EXTENSION|EVENT TRIGGER|PUBLICATION|SCHEMA extensions)/d' \
  -e '/^[0-9]+; [0-9]+ [0-9]+ [A-Z ]+ extensions /d'
secret=$(sed -n 's/^  "databaseUrl": "\(.*\)",$/\1/p' "/run/current-system/etc/supabase/source/instances/$instance.json")
IFS= read -r url < "/run/agenix/$secret"
url=${url#*://*:}
# In memory, and neither an argument nor in the environment.
printf 'localhost:%s:*:%s:%s\n' "$port" "$owner" "${url%%@*}" > "$work/pass"
as_owner() { PGPASSFILE=$work/pass psql -Xqw -v ON_ERROR_STOP=1 -h localhost -p "$port" -U "$owner" -d "$database" "$@"; }
as_owner -c 'SELECT' >/dev/null

systemctl stop "supabase-$instance.service" "supabase-$instance-*.service" "supabase-$instance-*.socket"
as_superuser "GRANT $lent TO $owner WITH INHERIT TRUE, SET TRUE"
{
  cat <<'SQL'
SET client_min_messages = warning;
DO $$
DECLARE
    schema name;
BEGIN
    FOR schema IN SELECT n.nspname FROM pg_catalog.pg_namespace AS n
        WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'extensions')
    LOOP
        EXECUTE pg_catalog.format('DROP SCHEMA %I CASCADE', schema);
    END LOOP;
END
$$;
CREATE SCHEMA public;
SQL
  # Cut off within a table's rows, these end first: what follows must be a statement.
  pg_restore --use-list="$work/list" -f - "$dump" || printf '\n\\.\n%s\n' 'DO $$ BEGIN RAISE EXCEPTION $m$the dump cannot be read$m$; END $$;'
} | as_owner --single-transaction -f - >/dev/null
# What has migrated it is not known any more; the next run writes it down.
as_superuser "COMMENT ON DATABASE $database IS 'supabase: instance $instance'"
rm -rf "${state:?}/$instance/migrated"
echo "$database is as $dump has it. Put the older versions back into images.json and deploy: that starts the services"
