-- Inside the instance's database: schemas, privileges, extensions, publication, PostgREST's reload triggers. One transaction;
-- catalogs and definitions only; what is as wanted is not touched, and what the owner has granted besides stays.
-- plan.inside: {"schemas": [{"name", "owner", "may": roles that may own it instead}], "usage": [{"schema", "roles"}],
--   "defaults": [{"role", "schema", "roles"}], "extensions": [...], "publication": owner,
--   "watches": [{"name", "event", "tags", "body"}]}
BEGIN;
DO $supabase$
DECLARE
    plan CONSTANT jsonb := pg_catalog.current_setting('supabase.plan')::jsonb;
    inside CONSTANT jsonb := plan -> 'inside';
    item record;
    passed record;
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
        SELECT w.value AS name FROM pg_catalog.jsonb_array_elements_text(inside -> 'extensions') AS w(value)
        WHERE w.value IN (SELECT e.name FROM pg_catalog.pg_available_extensions() AS e)
            AND w.value NOT IN (SELECT e.extname FROM pg_catalog.pg_extension AS e)
        ORDER BY w.value
    LOOP
        EXECUTE pg_catalog.format('CREATE EXTENSION %I SCHEMA extensions', item.name);
    END LOOP;

    FOR item IN
        SELECT w.*, n.oid, pg_catalog.pg_get_userbyid(n.nspowner)::text AS actual
        FROM pg_catalog.jsonb_to_recordset(inside -> 'schemas') AS w(name text, owner text, may jsonb)
        LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = w.name
    LOOP
        IF item.oid IS NULL THEN
            EXECUTE pg_catalog.format('CREATE SCHEMA %I AUTHORIZATION %I', item.name, item.owner);
        ELSIF item.actual <> item.owner AND NOT item.may ? item.actual THEN
            EXECUTE pg_catalog.format('ALTER SCHEMA %I OWNER TO %I', item.name, item.owner);
        END IF;
    END LOOP;

    -- Walls: nobody but named roles creates in our schemas, and no login of another instance has anything in them.
    FOR item IN
        SELECT n.oid, n.nspname AS schema, n.nspowner AS owner, a.grantor, a.privilege_type AS privilege,
            coalesce(pg_catalog.quote_ident(g.rolname), 'PUBLIC') AS grantee
        FROM pg_catalog.jsonb_to_recordset(inside -> 'schemas') AS w(name text)
        JOIN pg_catalog.pg_namespace AS n ON n.nspname = w.name
        CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) AS a
        LEFT JOIN pg_catalog.pg_authid AS g ON g.oid = a.grantee
        WHERE CASE WHEN g.oid IS NULL THEN a.privilege_type = 'CREATE'
            ELSE EXISTS (
                    SELECT FROM pg_catalog.pg_auth_members AS m JOIN pg_catalog.pg_authid AS l ON l.oid = m.roleid
                    WHERE m.member = g.oid AND l.rolname = 'supabase_login')
                AND NOT EXISTS (
                    SELECT FROM pg_catalog.jsonb_to_recordset(plan -> 'roles') AS r(name text) WHERE r.name = g.rolname)
            END
    LOOP
        -- Passed on by somebody whom the owner let: only losing that right takes back what he gave.
        FOR passed IN
            SELECT g.rolname AS role FROM pg_catalog.pg_namespace AS n
            CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) AS a JOIN pg_catalog.pg_authid AS g ON g.oid = a.grantee
            WHERE n.oid = item.oid AND item.grantor <> item.owner AND a.grantor = item.owner
                AND a.privilege_type = item.privilege AND a.is_grantable AND a.grantee <> item.owner
        LOOP
            EXECUTE pg_catalog.format('REVOKE GRANT OPTION FOR %s ON SCHEMA %I FROM %I CASCADE',
                item.privilege, item.schema, passed.role);
        END LOOP;
        EXECUTE pg_catalog.format('REVOKE %s ON SCHEMA %I FROM %s CASCADE', item.privilege, item.schema, item.grantee);
    END LOOP;

    FOR item IN
        SELECT w.schema, r.value AS role
        FROM pg_catalog.jsonb_to_recordset(inside -> 'usage') AS w(schema text, roles jsonb)
        CROSS JOIN LATERAL pg_catalog.jsonb_array_elements_text(w.roles) AS r(value)
        WHERE NOT EXISTS (
            SELECT FROM pg_catalog.pg_namespace AS n
            CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) AS a JOIN pg_catalog.pg_authid AS g ON g.oid = a.grantee
            WHERE n.nspname = w.schema AND g.rolname = r.value AND a.privilege_type = 'USAGE')
    LOOP
        EXECUTE pg_catalog.format('GRANT USAGE ON SCHEMA %I TO %I', item.schema, item.role);
    END LOOP;

    FOR item IN
        SELECT w.role, w.schema, k.kind, r.value AS grantee
        FROM pg_catalog.jsonb_to_recordset(inside -> 'defaults') AS w(role text, schema text, roles jsonb)
        CROSS JOIN LATERAL pg_catalog.jsonb_array_elements_text(w.roles) AS r(value)
        CROSS JOIN (VALUES ('TABLES', 'r'), ('SEQUENCES', 'S'), ('FUNCTIONS', 'f')) AS k(kind, code)
        JOIN pg_catalog.pg_authid AS o ON o.rolname = w.role
        CROSS JOIN LATERAL pg_catalog.aclexplode(pg_catalog.acldefault(k.code::pg_catalog."char", o.oid)) AS p
        WHERE NOT EXISTS (
            SELECT FROM pg_catalog.pg_default_acl AS d JOIN pg_catalog.pg_namespace AS n ON n.oid = d.defaclnamespace
            CROSS JOIN LATERAL pg_catalog.aclexplode(d.defaclacl) AS a JOIN pg_catalog.pg_authid AS g ON g.oid = a.grantee
            WHERE d.defaclrole = o.oid AND n.nspname = w.schema AND d.defaclobjtype::text = k.code
                AND g.rolname = r.value AND a.privilege_type = p.privilege_type)
        GROUP BY w.role, w.schema, k.kind, r.value
    LOOP
        EXECUTE pg_catalog.format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I GRANT ALL ON %s TO %I',
            item.role, item.schema, item.kind, item.grantee);
    END LOOP;

    SELECT pg_catalog.pg_get_userbyid(p.pubowner)::text AS owner INTO item
        FROM pg_catalog.pg_publication AS p WHERE p.pubname = 'supabase_realtime';
    IF NOT FOUND THEN
        CREATE PUBLICATION supabase_realtime;
    END IF;
    IF item.owner IS DISTINCT FROM inside ->> 'publication' THEN
        EXECUTE pg_catalog.format('ALTER PUBLICATION supabase_realtime OWNER TO %I', inside ->> 'publication');
    END IF;

    -- They run on every DDL statement, a superuser's too: owned by the superuser, names settled by their own search_path.
    FOR item IN
        SELECT w.*, (SELECT pg_catalog.string_agg(pg_catalog.quote_literal(t.value), ', ')
            FROM pg_catalog.jsonb_array_elements_text(w.tags) AS t(value)) AS words
        FROM pg_catalog.jsonb_to_recordset(inside -> 'watches') AS w(name text, event text, tags jsonb, body text)
        WHERE NOT EXISTS (
            SELECT FROM pg_catalog.pg_event_trigger AS t
            JOIN pg_catalog.pg_authid AS o ON o.oid = t.evtowner
            JOIN pg_catalog.pg_proc AS f ON f.oid = t.evtfoid
            JOIN pg_catalog.pg_authid AS p ON p.oid = f.proowner
            JOIN pg_catalog.pg_namespace AS n ON n.oid = f.pronamespace
            JOIN pg_catalog.pg_language AS l ON l.oid = f.prolang
            WHERE t.evtname = w.name AND t.evtevent = w.event AND t.evtenabled = 'O' AND o.rolsuper AND p.rolsuper
                AND coalesce(pg_catalog.to_jsonb(t.evttags), '[]') @> w.tags
                AND coalesce(pg_catalog.to_jsonb(t.evttags), '[]') <@ w.tags
                AND n.nspname = 'extensions' AND f.proname = w.name AND f.prosrc = w.body AND l.lanname = 'plpgsql'
                AND NOT f.prosecdef AND f.proconfig = ARRAY['search_path=pg_catalog, pg_temp'])
    LOOP
        EXECUTE pg_catalog.format('DROP EVENT TRIGGER IF EXISTS %I', item.name);
        EXECUTE pg_catalog.format('DROP FUNCTION IF EXISTS extensions.%I()', item.name);
        EXECUTE pg_catalog.format('CREATE FUNCTION extensions.%I() RETURNS event_trigger LANGUAGE plpgsql '
            'SET search_path = pg_catalog, pg_temp AS %L', item.name, item.body);
        EXECUTE pg_catalog.format('CREATE EVENT TRIGGER %I ON ', item.name) || item.event
            || coalesce(' WHEN TAG IN (' || item.words || ')', '')
            || pg_catalog.format(' EXECUTE FUNCTION extensions.%I()', item.name);
    END LOOP;
END
$supabase$;
COMMIT;
