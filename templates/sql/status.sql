-- What our databases use: one JSON line from shared catalogs and statistics. A database's limit counts what is counted here.
SELECT pg_catalog.replace(pg_catalog.json_build_object(
    'version', pg_catalog.current_setting('server_version_num')::integer,
    'max_connections', pg_catalog.current_setting('max_connections')::integer,
    'connections', (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity AS a
        WHERE a.backend_type IN ('client backend', 'walsender')),
    'databases', (SELECT coalesce(pg_catalog.json_object_agg(d.datname, pg_catalog.json_build_object(
        'bytes', pg_catalog.pg_database_size(d.oid), 'limit', d.datconnlimit,
        'connections', (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity AS a
            WHERE a.datid = d.oid AND a.backend_type IN ('client backend', 'walsender')))), '{}')
        FROM pg_catalog.pg_database AS d WHERE d.datname ~ '^supabase_'))::text, pg_catalog.chr(10), '');
