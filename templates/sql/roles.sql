-- Roles as `supabase.plan` wants them: attributes, comment, password, memberships, parameters. One transaction.
-- plan: {"instance", "repair", "roles": [...], "verifiers": {login: digest}, "database": {...}}; the cluster's shared roles come
-- without instance and database. `repair` false: roles that exist are checked, but left as they are.
BEGIN;
DO $supabase$
DECLARE
    plan CONSTANT jsonb := pg_catalog.current_setting('supabase.plan')::jsonb;
    verifiers CONSTANT jsonb := coalesce(nullif(pg_catalog.current_setting('supabase.verifiers', true), ''), '{}')::jsonb;
    verifier text;
    created text[] := '{}';
    wanted record;
    actual record;
    item record;
    options text;
BEGIN
    -- A database of this name that is there before the instance is born belongs to somebody else.
    IF plan ? 'database' THEN
        SELECT d.oid, pg_catalog.shobj_description(d.oid, 'pg_database') AS comment INTO actual
            FROM pg_catalog.pg_database AS d WHERE d.datname = plan #>> '{database,name}';
        IF actual.oid IS NULL AND NOT (plan #>> '{database,create}')::boolean THEN
            RAISE EXCEPTION 'database % does not exist and create_database is False', plan #>> '{database,name}';
        ELSIF actual.comment ~ '^supabase: instance '
            AND pg_catalog.split_part(actual.comment, ' ', 3) <> plan ->> 'instance'
        THEN
            RAISE EXCEPTION 'database % belongs to another instance', plan #>> '{database,name}';
        ELSIF actual.oid IS NOT NULL AND (plan #>> '{database,create}')::boolean
            AND pg_catalog.strpos(coalesce(actual.comment, '') || ' ', plan #>> '{database,comment}' || ' ') <> 1
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_authid AS r WHERE r.rolname = plan #>> '{roles,0,name}')
        THEN
            RAISE EXCEPTION 'database % exists and was not made by this project', plan #>> '{database,name}';
        END IF;
    END IF;
    FOR item IN SELECT w.key AS login, w.value AS digest FROM pg_catalog.jsonb_each_text(plan -> 'verifiers') AS w
    LOOP
        verifier := verifiers ->> item.login;
        -- Anything else PostgreSQL would take for a plaintext and hash.
        IF verifier IS NULL
            OR verifier !~ '^SCRAM-SHA-256\$4096:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$'
        THEN
            RAISE EXCEPTION 'role %: no SCRAM verifier was given', item.login;
        ELSIF item.digest <> pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(verifier, 'UTF8')), 'hex') THEN
            RAISE EXCEPTION 'role %: the verifier on the host is not the one in secrets_dir', item.login;
        END IF;
    END LOOP;

    -- All of them first, because an owner is a member of its storage login.
    FOR wanted IN
        SELECT w.* FROM pg_catalog.jsonb_to_recordset(plan -> 'roles') AS w(name text, comment text)
    LOOP
        SELECT r.oid, pg_catalog.shobj_description(r.oid, 'pg_authid') AS comment INTO actual
            FROM pg_catalog.pg_authid AS r WHERE r.rolname = wanted.name;
        IF actual.oid IS NULL THEN
            EXECUTE pg_catalog.format('CREATE ROLE %I', wanted.name);
            EXECUTE pg_catalog.format('COMMENT ON ROLE %I IS %L', wanted.name, wanted.comment);
            created := created || wanted.name;
        ELSIF actual.comment IS DISTINCT FROM wanted.comment THEN
            RAISE EXCEPTION 'role % exists and was not made by this project for this purpose', wanted.name;
        END IF;
    END LOOP;

    FOR wanted IN
        SELECT w.* FROM pg_catalog.jsonb_to_recordset(plan -> 'roles') AS w(
            name text, login boolean, inherit boolean, superuser boolean, replication boolean, bypassrls boolean,
            "limit" integer, verifier text, member_of jsonb, parameters jsonb)
        WHERE (plan ->> 'repair')::boolean OR w.name = ANY (created)
    LOOP
        SELECT r.* INTO actual FROM pg_catalog.pg_authid AS r WHERE r.rolname = wanted.name;
        verifier := CASE WHEN plan -> 'verifiers' ? wanted.verifier THEN verifiers ->> wanted.verifier END;
        options := pg_catalog.concat(
            CASE WHEN actual.rolsuper <> wanted.superuser
                THEN CASE WHEN wanted.superuser THEN ' SUPERUSER' ELSE ' NOSUPERUSER' END END,
            CASE WHEN actual.rolcreatedb THEN ' NOCREATEDB' END,
            CASE WHEN actual.rolcreaterole THEN ' NOCREATEROLE' END,
            CASE WHEN actual.rolcanlogin <> wanted.login THEN CASE WHEN wanted.login THEN ' LOGIN' ELSE ' NOLOGIN' END END,
            CASE WHEN actual.rolinherit <> wanted.inherit
                THEN CASE WHEN wanted.inherit THEN ' INHERIT' ELSE ' NOINHERIT' END END,
            CASE WHEN actual.rolreplication <> wanted.replication
                THEN CASE WHEN wanted.replication THEN ' REPLICATION' ELSE ' NOREPLICATION' END END,
            CASE WHEN actual.rolbypassrls <> wanted.bypassrls
                THEN CASE WHEN wanted.bypassrls THEN ' BYPASSRLS' ELSE ' NOBYPASSRLS' END END,
            CASE WHEN actual.rolconnlimit <> wanted."limit"
                THEN pg_catalog.format(' CONNECTION LIMIT %s', wanted."limit") END,
            CASE WHEN actual.rolvaliduntil <> 'infinity' THEN ' VALID UNTIL ''infinity''' END,
            CASE WHEN wanted.verifier IS NULL AND actual.rolpassword IS NOT NULL THEN ' PASSWORD NULL' END,
            CASE WHEN actual.rolpassword IS DISTINCT FROM verifier AND verifier IS NOT NULL
                THEN pg_catalog.format(' PASSWORD %L', verifier) END);
        IF options <> '' THEN
            EXECUTE pg_catalog.format('ALTER ROLE %I WITH', wanted.name) || options;
        END IF;

        -- Whoever may SET ROLE to a shared role may set these for all instances.
        FOR item IN
            SELECT CASE WHEN d.oid IS NULL THEN '' ELSE pg_catalog.format(' IN DATABASE %I', d.datname) END AS place
            FROM pg_catalog.pg_db_role_setting AS s LEFT JOIN pg_catalog.pg_database AS d ON d.oid = s.setdatabase
            WHERE s.setrole = actual.oid AND NOT plan ? 'instance'
        LOOP
            EXECUTE pg_catalog.format('ALTER ROLE %I', wanted.name) || item.place || ' RESET ALL';
        END LOOP;

        -- Memberships: first what is too much or has other options, whoever granted it; then what is missing.
        FOR item IN
            SELECT r.rolname AS role, g.rolname AS grantor
            FROM pg_catalog.pg_auth_members AS m
            JOIN pg_catalog.pg_authid AS r ON r.oid = m.roleid
            JOIN pg_catalog.pg_authid AS g ON g.oid = m.grantor
            WHERE m.member = actual.oid AND NOT EXISTS (
                SELECT FROM pg_catalog.jsonb_to_recordset(wanted.member_of) AS w(role text, inherit boolean, set boolean)
                WHERE w.role = r.rolname AND NOT m.admin_option
                    AND w.inherit = m.inherit_option AND w.set = m.set_option)
        LOOP
            EXECUTE pg_catalog.format('REVOKE %I FROM %I GRANTED BY %I CASCADE', item.role, wanted.name, item.grantor);
        END LOOP;
        FOR item IN
            SELECT w.* FROM pg_catalog.jsonb_to_recordset(wanted.member_of) AS w(role text, inherit boolean, set boolean)
            WHERE NOT EXISTS (
                SELECT FROM pg_catalog.pg_auth_members AS m JOIN pg_catalog.pg_authid AS r ON r.oid = m.roleid
                WHERE m.member = actual.oid AND r.rolname = w.role)
        LOOP
            EXECUTE pg_catalog.format(
                'GRANT %I TO %I WITH ADMIN FALSE, INHERIT %s, SET %s', item.role, wanted.name,
                item.inherit::text, item.set::text);
        END LOOP;

        FOR item IN SELECT w.value AS parameter FROM pg_catalog.jsonb_array_elements_text(wanted.parameters) AS w(value)
        LOOP
            IF NOT EXISTS (
                SELECT FROM pg_catalog.pg_parameter_acl AS p, LATERAL pg_catalog.aclexplode(p.paracl) AS a
                WHERE p.parname = item.parameter AND a.grantee = actual.oid AND a.privilege_type = 'SET')
            THEN
                EXECUTE pg_catalog.format('GRANT SET ON PARAMETER %I TO %I', item.parameter, wanted.name);
            END IF;
        END LOOP;
    END LOOP;
END
$supabase$;
COMMIT;
