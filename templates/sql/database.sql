-- The database of `supabase.plan`: comment, owner, connection limit, privileges, settings of its logins.
-- It is born closed: PUBLIC's default CONNECT would let another instance's login in before it is revoked.
SELECT pg_catalog.format(
    'CREATE DATABASE %I WITH OWNER %I TEMPLATE template0 ENCODING ''UTF8'' ALLOW_CONNECTIONS false CONNECTION LIMIT %s',
    p.plan #>> '{database,name}', p.plan #>> '{database,owner}', (p.plan #>> '{database,limit}')::integer)
FROM (SELECT pg_catalog.current_setting('supabase.plan')::jsonb AS plan) AS p
WHERE (p.plan #>> '{database,create}')::boolean AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_database AS d WHERE d.datname = p.plan #>> '{database,name}') \gexec
BEGIN;
DO $supabase$
DECLARE
    plan CONSTANT jsonb := pg_catalog.current_setting('supabase.plan')::jsonb -> 'database';
    actual record;
    item record;
BEGIN
    SELECT d.*, o.rolname AS owner, pg_catalog.pg_encoding_to_char(d.encoding) AS encoding_name,
            pg_catalog.shobj_description(d.oid, 'pg_database') AS comment
        INTO actual
        FROM pg_catalog.pg_database AS d JOIN pg_catalog.pg_authid AS o ON o.oid = d.datdba
        WHERE d.datname = plan ->> 'name';
    IF actual.oid IS NULL THEN
        RAISE EXCEPTION 'database % does not exist', plan ->> 'name';
    ELSIF actual.encoding_name <> 'UTF8' OR actual.datistemplate THEN
        RAISE EXCEPTION 'database % is a template or not UTF8', plan ->> 'name';
    END IF;
    -- What it says besides is the record of what the services have made.
    IF pg_catalog.strpos(coalesce(actual.comment, '') || ' ', plan ->> 'comment' || ' ') <> 1 THEN
        EXECUTE pg_catalog.format('COMMENT ON DATABASE %I IS %L', plan ->> 'name', plan ->> 'comment');
    END IF;
    IF actual.owner <> plan ->> 'owner' THEN
        EXECUTE pg_catalog.format('ALTER DATABASE %I OWNER TO %I', plan ->> 'name', plan ->> 'owner');
    END IF;
    FOR item IN
        SELECT DISTINCT coalesce(pg_catalog.quote_ident(g.rolname), 'PUBLIC') AS grantee, a.privilege_type AS privilege
        FROM pg_catalog.pg_database AS d
        CROSS JOIN LATERAL pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) AS a
        LEFT JOIN pg_catalog.pg_authid AS g ON g.oid = a.grantee
        WHERE d.oid = actual.oid AND a.grantee <> d.datdba AND (
            a.is_grantable OR g.oid IS NULL OR NOT coalesce(plan -> 'grants' -> g.rolname::text ? a.privilege_type, false))
    LOOP
        EXECUTE pg_catalog.format(
            'REVOKE %s ON DATABASE %I FROM %s CASCADE', item.privilege, plan ->> 'name', item.grantee);
    END LOOP;
    FOR item IN
        SELECT w.key AS role, p.privilege
        FROM pg_catalog.jsonb_each(plan -> 'grants') AS w,
            LATERAL pg_catalog.jsonb_array_elements_text(w.value) AS p(privilege)
        WHERE NOT EXISTS (
            SELECT FROM pg_catalog.pg_database AS d
            CROSS JOIN LATERAL pg_catalog.aclexplode(d.datacl) AS a
            JOIN pg_catalog.pg_authid AS g ON g.oid = a.grantee
            WHERE d.oid = actual.oid AND g.rolname = w.key AND a.privilege_type = p.privilege)
    LOOP
        EXECUTE pg_catalog.format(
            'GRANT %s ON DATABASE %I TO %I',
            CASE item.privilege WHEN 'CONNECT' THEN 'CONNECT' WHEN 'CREATE' THEN 'CREATE' ELSE 'TEMPORARY' END,
            plan ->> 'name', item.role);
    END LOOP;
    FOR item IN
        SELECT r.key AS role, s.key AS setting, (
            SELECT pg_catalog.string_agg(pg_catalog.quote_literal(v.value), ', ' ORDER BY v.position)
            FROM pg_catalog.jsonb_array_elements_text(s.value) WITH ORDINALITY AS v(value, position)) AS list
        FROM pg_catalog.jsonb_each(plan -> 'settings') AS r, LATERAL pg_catalog.jsonb_each(r.value) AS s
    LOOP
        EXECUTE pg_catalog.format('ALTER ROLE %I IN DATABASE %I SET %I = ', item.role, plan ->> 'name', item.setting)
            || item.list;
    END LOOP;
    EXECUTE pg_catalog.format(
        'ALTER DATABASE %I WITH ALLOW_CONNECTIONS true CONNECTION LIMIT %s',
        plan ->> 'name', (plan ->> 'limit')::integer);
END
$supabase$;
COMMIT;
-- Who came in by a privilege that is gone now, leaves: logins of ours that are not this instance's.
DO $supabase$
DECLARE
    plan CONSTANT jsonb := pg_catalog.current_setting('supabase.plan')::jsonb;
BEGIN
    PERFORM pg_catalog.pg_terminate_backend(a.pid)
    FROM pg_catalog.pg_stat_activity AS a
    JOIN pg_catalog.pg_authid AS login ON login.oid = a.usesysid
    JOIN pg_catalog.pg_auth_members AS m ON m.member = login.oid
    JOIN pg_catalog.pg_authid AS ours ON ours.oid = m.roleid AND ours.rolname = 'supabase_login'
    WHERE a.datname = plan #>> '{database,name}' AND NOT EXISTS (
        SELECT FROM pg_catalog.jsonb_to_recordset(plan -> 'roles') AS w(name text) WHERE w.name = login.rolname);
END
$supabase$;
