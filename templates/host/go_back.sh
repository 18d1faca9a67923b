# Put a database back to a dump of before its services changed, by hand: $1 instance, $2 its database, $3 the dump (else the newest),
# $4 the port of PostgreSQL. Its services stay stopped. What was written since the dump is lost. Nothing of the dump runs in a
# superuser's session: the instance's owner restores it, who is a member of its services' logins meanwhile.
set -eu
instance=$1 database=$2 port=${4:-5432} state=/var/lib/supabase
case $instance$database$port in *[!a-z0-9_]*) echo 'INSTANCE DATABASE [DUMP [PORT]], as they are called in group_data' >&2; exit 2 ;; esac
dump=${3:-}
if [ -z "$dump" ]; then dump=$(ls -d "$state/dumps/$instance/"*.dump | tail -n 1); fi
owner=supabase_$instance
lent="${owner}_auth, ${owner}_realtime, supabase_auth_admin, supabase_storage_admin"
umask 077
work=$(mktemp -d /run/supabase-go-back.XXXXXX)
as_superuser() { runuser -u postgres -- psql -Xqw -v ON_ERROR_STOP=1 -p "$port" -d postgres -c "$1"; }
cleanup() { as_superuser "REVOKE $lent FROM $owner" 2>/dev/null || true; rm -rf "$work"; }
trap cleanup EXIT

# Without what superusers have made, which is there.
pg_restore --list "$dump" | sed -E > "$work/list" \
  -e '/^[0-9]+; [0-9]+ [0-9]+ (EXTENSION|EVENT TRIGGER|PUBLICATION) - /d' \
  -e '/^[0-9]+; [0-9]+ [0-9]+ SCHEMA - (extensions|public) /d' \
  -e '/^[0-9]+; [0-9]+ [0-9]+ (ACL|COMMENT) - (EXTENSION|EVENT TRIGGER|PUBLICATION|SCHEMA extensions)/d' \
  -e '/^[0-9]+; [0-9]+ [0-9]+ [A-Z ]+ extensions /d'
IFS= read -r url < "/run/agenix/supabase-$instance-db"
url=${url#*://*:}
# In memory, and neither an argument nor in the environment.
printf 'localhost:%s:*:%s:%s\n' "$port" "$owner" "${url%%@*}" > "$work/pass"
as_owner() { PGPASSFILE=$work/pass "$@" -w -h localhost -p "$port" -U "$owner" -d "$database"; }

systemctl stop "supabase-$instance.service" "supabase-$instance-*.service" "supabase-$instance-*.socket"
as_superuser "GRANT $lent TO $owner WITH INHERIT TRUE, SET TRUE"
as_owner psql -Xq -v ON_ERROR_STOP=1 --single-transaction -f - <<'SQL'
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
as_owner pg_restore --exit-on-error --single-transaction --use-list="$work/list" "$dump"
# What has migrated it is not known any more; the next run writes it down.
as_superuser "COMMENT ON DATABASE $database IS 'supabase: instance $instance'"
rm -rf "${state:?}/$instance/migrated"
echo "$database is as $dump has it. Put the older versions back into images.json and deploy: that starts the services"
