-- While realtime migrates its database it grants supabase_realtime_admin on; before and after that its login may not.
-- supabase.migrations: [{"login", "admin": it may, "database", "comment": null, or the database's from now on}]
BEGIN;
DO $supabase$
DECLARE
    item record;
    membership record;
BEGIN
    FOR item IN
        SELECT w.*, r.oid FROM pg_catalog.jsonb_to_recordset(pg_catalog.current_setting('supabase.migrations')::jsonb)
            AS w(login text, admin boolean, database text, comment text)
        JOIN pg_catalog.pg_authid AS r ON r.rolname = w.login
    LOOP
        IF item.admin THEN
            EXECUTE pg_catalog.format('GRANT supabase_realtime_admin TO %I WITH ADMIN TRUE', item.login);
        END IF;
        -- CASCADE takes back whatever it has granted with it.
        FOR membership IN
            SELECT g.rolname AS grantor FROM pg_catalog.pg_auth_members AS m
            JOIN pg_catalog.pg_authid AS a ON a.oid = m.roleid AND a.rolname = 'supabase_realtime_admin'
            JOIN pg_catalog.pg_authid AS g ON g.oid = m.grantor
            WHERE m.member = item.oid AND m.admin_option AND NOT item.admin
        LOOP
            EXECUTE pg_catalog.format('REVOKE ADMIN OPTION FOR supabase_realtime_admin FROM %I GRANTED BY %I CASCADE',
                item.login, membership.grantor);
        END LOOP;
        IF item.comment IS NOT NULL THEN
            EXECUTE pg_catalog.format('COMMENT ON DATABASE %I IS %L', item.database, item.comment);
        END IF;
    END LOOP;
END
$supabase$;
COMMIT;
