-- What is: one JSON line about our roles and databases, from shared catalogs and the server's settings only. Verifiers leave as
-- digests. json_agg writes line ends between elements, which go: inside a string JSON has none.
-- A server before 16 answers with its version alone (pg_auth_members has no options there).
SELECT pg_catalog.current_setting('server_version_num')::integer >= 160000 AS modern \gset
\if :modern
BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;
-- For each database a mark that stays the same while nobody writes to it, catalogs included: the server counts rows that are
-- inserted, updated and deleted. None where a session may have written what is not counted yet (a session counts at its end,
-- and 10 s after it became idle), or where counting may be off; another one when the server starts, loses its counts in a crash
-- (the bgwriter's reset then shows it) or loads its configuration, and when what its inside is judged by changes: the names of
-- roles, which of them are superusers or logins of instances, the extensions that the server has.
WITH roles AS MATERIALIZED (  -- else PostgreSQL adds the names up once a database: 25 ms of 100
    SELECT pg_catalog.string_agg(pg_catalog.concat(r.oid, ' ', r.rolname, ' ', r.rolsuper), ',' ORDER BY r.oid) AS names
    FROM pg_catalog.pg_authid AS r
), logins AS MATERIALIZED (
    SELECT pg_catalog.string_agg(DISTINCT m.member::text, ',') AS members
    FROM pg_catalog.pg_auth_members AS m JOIN pg_catalog.pg_authid AS r ON r.oid = m.roleid
    WHERE r.rolname = 'supabase_login'
), extensions AS MATERIALIZED (
    SELECT pg_catalog.string_agg(e.name, ',' ORDER BY e.name) AS names FROM pg_catalog.pg_available_extensions() AS e
), busy AS (
    SELECT DISTINCT a.datid AS oid FROM pg_catalog.pg_stat_activity AS a
    WHERE a.datid IS NOT NULL AND a.backend_type NOT IN ('autovacuum worker', 'walsender')
        AND (a.state IS DISTINCT FROM 'idle' OR a.state_change > pg_catalog.clock_timestamp() - interval '15 seconds')
), uncounted AS (
    SELECT s.setdatabase AS oid FROM pg_catalog.pg_db_role_setting AS s, LATERAL pg_catalog.unnest(s.setconfig) AS c(setting)
    WHERE c.setting ~ '^track_counts='
), marks AS (
    SELECT d.datname AS database, pg_catalog.substr(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.concat_ws(
        '|', r.names, l.members, e.names, d.oid, pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time()),
        pg_catalog.date_part('epoch', pg_catalog.pg_conf_load_time()),
        pg_catalog.date_part('epoch', pg_catalog.pg_stat_get_bgwriter_stat_reset_time()),
        pg_catalog.date_part('epoch', pg_catalog.pg_stat_get_db_stat_reset_time(d.oid)),
        pg_catalog.pg_stat_get_db_tuples_inserted(d.oid), pg_catalog.pg_stat_get_db_tuples_updated(d.oid),
        pg_catalog.pg_stat_get_db_tuples_deleted(d.oid)), 'UTF8')), 'hex'),
        1, 32) AS mark
    FROM pg_catalog.pg_database AS d CROSS JOIN roles AS r CROSS JOIN logins AS l CROSS JOIN extensions AS e
    WHERE d.datname ~ '^supabase_' AND d.oid NOT IN (SELECT b.oid FROM busy AS b)
        -- -2: DROP DATABASE was interrupted, and nobody can enter
        AND d.datallowconn AND d.datconnlimit <> -2 AND pg_catalog.current_setting('track_counts')::boolean
        AND NOT EXISTS (SELECT FROM uncounted AS u WHERE u.oid IN (0, d.oid))
)
SELECT pg_catalog.replace(coalesce(pg_catalog.json_object_agg(m.database, m.mark), '{}')::text, pg_catalog.chr(10), '') AS marks
FROM marks AS m \gset
WITH described AS (
    SELECT r.oid, r.rolname, d.description AS comment,
           r.rolname ~ '^supabase_' OR r.rolname IN ('anon', 'authenticated', 'service_role', 'dashboard_user')
           OR coalesce(d.description ~ '^supabase: ', false) AS ours
    FROM pg_catalog.pg_authid AS r
    LEFT JOIN pg_catalog.pg_shdescription AS d
        ON d.objoid = r.oid AND d.classoid = 'pg_catalog.pg_authid'::pg_catalog.regclass
), memberships AS (
    SELECT m.member, r.rolname AS role, pg_catalog.bool_or(m.admin_option) AS admin,
           pg_catalog.bool_or(m.inherit_option) AS inherit, pg_catalog.bool_or(m.set_option) AS set
    FROM pg_catalog.pg_auth_members AS m JOIN pg_catalog.pg_authid AS r ON r.oid = m.roleid
    GROUP BY m.member, r.rolname
), member_of AS (
    SELECT m.member, pg_catalog.json_agg(
        pg_catalog.json_build_array(m.role, m.admin, m.inherit, m.set)) AS list
    FROM memberships AS m GROUP BY m.member
), parameters AS (
    SELECT a.grantee, pg_catalog.json_agg(DISTINCT p.parname) AS list
    FROM pg_catalog.pg_parameter_acl AS p, LATERAL pg_catalog.aclexplode(p.paracl) AS a
    WHERE a.privilege_type = 'SET' GROUP BY a.grantee
), roles AS (
    SELECT pg_catalog.json_build_object(
        'name', r.rolname, 'comment', d.comment, 'login', r.rolcanlogin, 'inherit', r.rolinherit,
        'superuser', r.rolsuper, 'createdb', r.rolcreatedb, 'createrole', r.rolcreaterole,
        'replication', r.rolreplication, 'bypassrls', r.rolbypassrls, 'limit', r.rolconnlimit,
        'expires', coalesce(r.rolvaliduntil <> 'infinity', false),
        'settings', r.oid IN (SELECT s.setrole FROM pg_catalog.pg_db_role_setting AS s),
        'password', pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(r.rolpassword, 'UTF8')), 'hex'),
        'member_of', coalesce(m.list, '[]'), 'parameters', coalesce(p.list, '[]')) AS role
    FROM described AS d JOIN pg_catalog.pg_authid AS r ON r.oid = d.oid
    LEFT JOIN member_of AS m ON m.member = r.oid
    LEFT JOIN parameters AS p ON p.grantee = r.oid
    WHERE d.ours
), privileges AS (
    SELECT d.oid, pg_catalog.json_agg(
        pg_catalog.json_build_array(coalesce(g.rolname, 'PUBLIC'), a.privilege_type, a.is_grantable)) AS list
    FROM pg_catalog.pg_database AS d
    CROSS JOIN LATERAL pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) AS a
    LEFT JOIN pg_catalog.pg_authid AS g ON g.oid = a.grantee
    WHERE a.grantee <> d.datdba
    GROUP BY d.oid
), settings AS (
    SELECT s.setdatabase AS oid, pg_catalog.json_object_agg(r.rolname, pg_catalog.to_json(s.setconfig)) AS list
    FROM pg_catalog.pg_db_role_setting AS s JOIN pg_catalog.pg_authid AS r ON r.oid = s.setrole
    GROUP BY s.setdatabase
), databases AS (
    SELECT pg_catalog.json_build_object(
        'name', d.datname, 'comment', c.description, 'owner', o.rolname, 'superuser', o.rolsuper,
        'encoding', pg_catalog.pg_encoding_to_char(d.encoding), 'limit', d.datconnlimit,
        'open', d.datallowconn, 'template', d.datistemplate,
        'privileges', coalesce(p.list, '[]'), 'settings', coalesce(s.list, '{}')) AS database
    FROM pg_catalog.pg_database AS d JOIN pg_catalog.pg_authid AS o ON o.oid = d.datdba
    LEFT JOIN pg_catalog.pg_shdescription AS c
        ON c.objoid = d.oid AND c.classoid = 'pg_catalog.pg_database'::pg_catalog.regclass
    LEFT JOIN privileges AS p ON p.oid = d.oid
    LEFT JOIN settings AS s ON s.oid = d.oid
    WHERE d.datname ~ '^supabase_'
)
SELECT pg_catalog.replace(pg_catalog.json_build_object(
    'version', pg_catalog.current_setting('server_version_num')::integer,
    'marks', :'marks'::json,
    'settings', (SELECT pg_catalog.json_object_agg(s.name, s.setting) FROM pg_catalog.pg_settings AS s
        WHERE s.name IN ('max_connections', 'wal_level', 'max_replication_slots', 'max_wal_senders', 'port',
                         'max_slot_wal_keep_size', 'password_encryption', 'listen_addresses')),
    'pending_restart', (SELECT coalesce(pg_catalog.json_agg(s.name), '[]') FROM pg_catalog.pg_settings AS s
        WHERE s.pending_restart),
    'extensions', (SELECT coalesce(pg_catalog.json_agg(e.name), '[]')
        FROM pg_catalog.pg_available_extensions() AS e),
    -- Every privilege there is on a kind of object: their number differs between versions.
    'every', (SELECT pg_catalog.json_object_agg(k.code, (SELECT pg_catalog.json_agg(DISTINCT a.privilege_type)
            FROM pg_catalog.aclexplode(pg_catalog.acldefault(k.code::pg_catalog."char", 10)) AS a))
        FROM (VALUES ('r'), ('S'), ('f')) AS k(code)),
    'superusers', (SELECT pg_catalog.json_agg(r.rolname) FROM pg_catalog.pg_authid AS r WHERE r.rolsuper),
    'foreign_roles', (SELECT coalesce(pg_catalog.json_agg(d.rolname), '[]') FROM described AS d WHERE NOT d.ours),
    'roles', (SELECT coalesce(pg_catalog.json_agg(r.role), '[]') FROM roles AS r),
    'databases', (SELECT coalesce(pg_catalog.json_agg(d.database), '[]') FROM databases AS d))::text, pg_catalog.chr(10), '');
COMMIT;
\else
\set marks '{}'
SELECT pg_catalog.json_build_object('version', pg_catalog.current_setting('server_version_num')::integer);
\endif
