-- Everything of an instance goes: databases and roles whose comment begins with supabase.plan's, and nothing else.
-- plan: {"comment": "supabase: instance NAME"}. What fails leaves the rest, and can be run again.
BEGIN;
DO $supabase$
DECLARE
    plan CONSTANT jsonb := pg_catalog.current_setting('supabase.plan')::jsonb;
    item record;
BEGIN
    -- Before anything is gone: no role can be dropped that owns something, or has rights, in another database than its own.
    FOR item IN
        SELECT r.rolname, d.datname FROM pg_catalog.pg_authid AS r
        JOIN pg_catalog.pg_shdepend AS s ON s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND s.refobjid = r.oid
        JOIN pg_catalog.pg_database AS d ON d.oid = s.dbid AND d.datname <> pg_catalog.current_database()
        WHERE pg_catalog.strpos(coalesce(pg_catalog.shobj_description(r.oid, 'pg_authid'), '') || ' ', plan ->> 'comment' || ' ') = 1
            AND pg_catalog.strpos(
                coalesce(pg_catalog.shobj_description(d.oid, 'pg_database'), '') || ' ', plan ->> 'comment' || ' ') <> 1
        LIMIT 1
    LOOP
        RAISE EXCEPTION 'role % has rights in database %, or owns something there: in that database, DROP OWNED BY % first',
            item.rolname, item.datname, item.rolname;
    END LOOP;
END
$supabase$;
COMMIT;
-- Closed first: nobody comes in while those who are in are shown out. A walsender of a replication slot holds the database too.
SELECT pg_catalog.format('ALTER DATABASE %I WITH ALLOW_CONNECTIONS false', d.datname)
FROM pg_catalog.pg_database AS d, (SELECT pg_catalog.current_setting('supabase.plan')::jsonb ->> 'comment' AS comment) AS p
WHERE pg_catalog.strpos(coalesce(pg_catalog.shobj_description(d.oid, 'pg_database'), '') || ' ', p.comment || ' ') = 1 \gexec
DO $supabase$
BEGIN
    PERFORM pg_catalog.pg_terminate_backend(a.pid, 5000)
    FROM pg_catalog.pg_stat_activity AS a JOIN pg_catalog.pg_database AS d ON d.oid = a.datid
    WHERE a.pid <> pg_catalog.pg_backend_pid() AND pg_catalog.strpos(
        coalesce(pg_catalog.shobj_description(d.oid, 'pg_database'), '') || ' ',
        pg_catalog.current_setting('supabase.plan')::jsonb ->> 'comment' || ' ') = 1;
END
$supabase$;
SELECT pg_catalog.format('DROP DATABASE %I WITH (FORCE)', d.datname)
FROM pg_catalog.pg_database AS d, (SELECT pg_catalog.current_setting('supabase.plan')::jsonb ->> 'comment' AS comment) AS p
WHERE pg_catalog.strpos(coalesce(pg_catalog.shobj_description(d.oid, 'pg_database'), '') || ' ', p.comment || ' ') = 1 \gexec
BEGIN;
DO $supabase$
DECLARE
    plan CONSTANT jsonb := pg_catalog.current_setting('supabase.plan')::jsonb;
    roles CONSTANT text[] := ARRAY(
        SELECT r.rolname::text FROM pg_catalog.pg_authid AS r
        WHERE pg_catalog.strpos(
            coalesce(pg_catalog.shobj_description(r.oid, 'pg_authid'), '') || ' ', plan ->> 'comment' || ' ') = 1);
    role text;
BEGIN
    PERFORM pg_catalog.pg_terminate_backend(a.pid, 5000) FROM pg_catalog.pg_stat_activity AS a
        WHERE a.usename = ANY (roles) AND a.pid <> pg_catalog.pg_backend_pid();
    -- Rights on what all databases share, and what a role has granted on: of all roles before the first is dropped.
    FOREACH role IN ARRAY roles LOOP
        EXECUTE pg_catalog.format('DROP OWNED BY %I', role);
    END LOOP;
    FOREACH role IN ARRAY roles LOOP
        EXECUTE pg_catalog.format('DROP ROLE %I', role);
    END LOOP;
END
$supabase$;
COMMIT;
