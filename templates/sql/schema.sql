-- Inside the instance's database: schemas, privileges, extensions, publication, PostgREST's reload triggers.
-- Only catalogs and definitions, in one transaction that ends with the digest of what was done (COMMENT ON DATABASE).
-- plan: {"database": {"name", "comment"}, "names": {"owner", "authenticator", "auth", "storage", "realtime"},
--        "extensions": [...], "bootstrap": digest of this file and the names}
BEGIN;
DO $supabase$
DECLARE
    plan CONSTANT jsonb := pg_catalog.current_setting('supabase.plan')::jsonb;
    names CONSTANT jsonb := plan -> 'names';
    everyone CONSTANT text := 'anon, authenticated, service_role';
    item record;
    installed text;
    digest text;
BEGIN
    IF pg_catalog.current_database() <> plan #>> '{database,name}' THEN
        RAISE EXCEPTION 'this is not database %', plan #>> '{database,name}';
    END IF;

    -- Whoever may create in a superuser's schema could plant a function that an extension's script then calls.
    IF pg_catalog.to_regnamespace('extensions') IS NULL THEN
        CREATE SCHEMA extensions;
    END IF;
    PERFORM FROM pg_catalog.pg_namespace AS n
        JOIN pg_catalog.pg_authid AS o ON o.oid = n.nspowner
        WHERE n.nspname = 'extensions' AND o.rolsuper AND NOT EXISTS (
            SELECT FROM pg_catalog.aclexplode(n.nspacl) AS a
            WHERE a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'database %: schema extensions must belong to a superuser, who alone may create in it',
            plan #>> '{database,name}';
    END IF;
    FOR item IN
        SELECT w.value AS name FROM pg_catalog.jsonb_array_elements_text(plan -> 'extensions') AS w(value)
        WHERE w.value IN (SELECT e.name FROM pg_catalog.pg_available_extensions() AS e)
            AND w.value NOT IN (SELECT e.extname FROM pg_catalog.pg_extension AS e)
        ORDER BY w.value
    LOOP
        EXECUTE pg_catalog.format('CREATE EXTENSION %I SCHEMA extensions', item.name);
    END LOOP;

    -- A service may have handed its schema to the shared role of its kind: what one of our roles owns stays.
    FOR item IN
        SELECT w.schema, names ->> w.role AS owner, n.oid, pg_catalog.pg_get_userbyid(n.nspowner)::text AS actual
        FROM (VALUES ('public', 'owner'), ('auth', 'auth'), ('storage', 'storage'), ('realtime', 'realtime'),
                     ('_realtime', 'realtime'), ('graphql_public', 'owner')) AS w(schema, role)
        LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = w.schema
    LOOP
        IF item.oid IS NULL THEN
            EXECUTE pg_catalog.format('CREATE SCHEMA %I AUTHORIZATION %I', item.schema, item.owner);
        ELSIF item.actual NOT IN ('supabase_auth_admin', 'supabase_storage_admin', 'supabase_realtime_admin')
            AND item.actual <> item.owner
        THEN
            EXECUTE pg_catalog.format('ALTER SCHEMA %I OWNER TO %I', item.schema, item.owner);
        END IF;
    END LOOP;
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;

    EXECUTE pg_catalog.format(
        'GRANT USAGE ON SCHEMA extensions TO anon, authenticated, service_role, supabase_realtime_admin, %I, %I, %I, %I, %I',
        names ->> 'owner', names ->> 'authenticator', names ->> 'auth', names ->> 'storage', names ->> 'realtime');
    GRANT USAGE ON SCHEMA public, auth, storage, graphql_public TO anon, authenticated, service_role;
    EXECUTE pg_catalog.format('GRANT USAGE ON SCHEMA auth, storage, realtime TO %I', names ->> 'owner');

    FOR item IN
        SELECT w.schema, names ->> w.role AS role, w.grantees, k.kind
        FROM (VALUES ('public', 'owner', everyone),
                     ('auth', 'auth', pg_catalog.quote_ident(names ->> 'owner')),
                     ('storage', 'storage', everyone)) AS w(schema, role, grantees),
             (VALUES ('TABLES'), ('SEQUENCES'), ('FUNCTIONS')) AS k(kind)
    LOOP
        EXECUTE pg_catalog.format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I GRANT ALL ON %s TO %s',
            item.role, item.schema, item.kind, item.grantees);
    END LOOP;

    IF NOT EXISTS (SELECT FROM pg_catalog.pg_publication AS p WHERE p.pubname = 'supabase_realtime') THEN
        CREATE PUBLICATION supabase_realtime;
    END IF;
    EXECUTE pg_catalog.format('ALTER PUBLICATION supabase_realtime OWNER TO %I', names ->> 'owner');

    SELECT pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.concat_ws(' ', plan ->> 'bootstrap', (
            SELECT pg_catalog.string_agg(w.value, ' ' ORDER BY w.value COLLATE "C")
            FROM pg_catalog.jsonb_array_elements_text(plan -> 'extensions') AS w(value)
            WHERE w.value IN (SELECT e.name FROM pg_catalog.pg_available_extensions() AS e))), 'UTF8')), 'hex')
        INTO digest;
    EXECUTE pg_catalog.format('COMMENT ON DATABASE %I IS %L', plan #>> '{database,name}',
        pg_catalog.format('%s bootstrap %s', plan #>> '{database,comment}', digest));
END
$supabase$;

-- They run on every DDL statement, a superuser's too: owned by the superuser, names settled by their own search_path.
CREATE OR REPLACE FUNCTION extensions.pgrst_ddl_watch() RETURNS event_trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    IF EXISTS (
        SELECT FROM pg_catalog.pg_event_trigger_ddl_commands() AS c
        WHERE c.schema_name IS DISTINCT FROM 'pg_temp'
            AND c.schema_name IS DISTINCT FROM 'auth' AND c.schema_name IS DISTINCT FROM 'storage'
            AND c.schema_name IS DISTINCT FROM 'realtime' AND c.schema_name IS DISTINCT FROM '_realtime')
    THEN
        NOTIFY pgrst, 'reload schema';
    END IF;
END
$function$;
CREATE OR REPLACE FUNCTION extensions.pgrst_drop_watch() RETURNS event_trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    IF EXISTS (
        SELECT FROM pg_catalog.pg_event_trigger_dropped_objects() AS o
        WHERE NOT o.is_temporary AND o.object_type IN (
            'schema', 'table', 'foreign table', 'view', 'materialized view', 'function', 'procedure', 'type', 'rule', 'trigger')
            AND o.schema_name IS DISTINCT FROM 'auth' AND o.schema_name IS DISTINCT FROM 'storage'
            AND o.schema_name IS DISTINCT FROM 'realtime' AND o.schema_name IS DISTINCT FROM '_realtime')
    THEN
        NOTIFY pgrst, 'reload schema';
    END IF;
END
$function$;
ALTER FUNCTION extensions.pgrst_ddl_watch() OWNER TO CURRENT_USER;
ALTER FUNCTION extensions.pgrst_drop_watch() OWNER TO CURRENT_USER;
DROP EVENT TRIGGER IF EXISTS pgrst_ddl_watch;
DROP EVENT TRIGGER IF EXISTS pgrst_drop_watch;
CREATE EVENT TRIGGER pgrst_ddl_watch ON ddl_command_end
    WHEN TAG IN ('CREATE SCHEMA', 'ALTER SCHEMA', 'CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE',
        'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE', 'CREATE VIEW', 'ALTER VIEW', 'CREATE MATERIALIZED VIEW',
        'ALTER MATERIALIZED VIEW', 'CREATE FUNCTION', 'ALTER FUNCTION', 'CREATE PROCEDURE', 'ALTER PROCEDURE',
        'CREATE TRIGGER', 'CREATE TYPE', 'ALTER TYPE', 'CREATE RULE', 'COMMENT', 'GRANT', 'REVOKE')
    EXECUTE FUNCTION extensions.pgrst_ddl_watch();
CREATE EVENT TRIGGER pgrst_drop_watch ON sql_drop EXECUTE FUNCTION extensions.pgrst_drop_watch();
COMMIT;
