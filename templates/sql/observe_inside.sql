-- What is inside this database: one JSON line about the schemas, privileges, extensions, publication and triggers that the
-- bootstrap makes. Catalogs only; every row read belongs to one of our names, whatever else the instance has made. Joins are
-- few, because a new connection plans with cold caches: owners go out by name, and observe.sql tells which are superusers.
BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT pg_catalog.jsonb_build_object(
    'inside', pg_catalog.current_database(),
    'schemas', (SELECT coalesce(pg_catalog.jsonb_object_agg(n.nspname, pg_catalog.pg_get_userbyid(n.nspowner)), '{}')
        FROM pg_catalog.pg_namespace AS n
        WHERE n.nspname IN ('public', 'auth', 'storage', 'realtime', '_realtime', 'graphql_public', 'extensions')),
    'grants', (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(n.nspname, a.privilege_type,
            CASE WHEN a.grantee <> 0 THEN pg_catalog.pg_get_userbyid(a.grantee) ELSE 'PUBLIC' END)), '[]')
        FROM pg_catalog.pg_namespace AS n, LATERAL pg_catalog.aclexplode(n.nspacl) AS a
        WHERE n.nspname IN ('public', 'auth', 'storage', 'realtime', '_realtime', 'graphql_public', 'extensions')
            AND a.grantee <> n.nspowner),
    'defaults', (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(
            pg_catalog.pg_get_userbyid(g.role), g.schema::pg_catalog.regnamespace, g.kind,
            pg_catalog.pg_get_userbyid(g.grantee), g.privileges)), '[]')
        FROM (SELECT d.defaclrole AS role, d.defaclnamespace AS schema, d.defaclobjtype AS kind, a.grantee,
                pg_catalog.jsonb_agg(a.privilege_type) AS privileges
            FROM pg_catalog.pg_default_acl AS d, LATERAL pg_catalog.aclexplode(d.defaclacl) AS a
            WHERE d.defaclnamespace IN (pg_catalog.to_regnamespace('public'), pg_catalog.to_regnamespace('auth'),
                pg_catalog.to_regnamespace('storage'))
            GROUP BY d.defaclrole, d.defaclnamespace, d.defaclobjtype, a.grantee) AS g),
    'extensions', (SELECT pg_catalog.jsonb_agg(e.extname) FROM pg_catalog.pg_extension AS e),
    'publication', (SELECT pg_catalog.pg_get_userbyid(p.pubowner) FROM pg_catalog.pg_publication AS p
        WHERE p.pubname = 'supabase_realtime'),
    'watches', (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
            'name', t.evtname, 'event', t.evtevent, 'enabled', t.evtenabled, 'tags', coalesce(pg_catalog.to_jsonb(t.evttags), '[]'),
            'owners', pg_catalog.jsonb_build_array(
                pg_catalog.pg_get_userbyid(t.evtowner), pg_catalog.pg_get_userbyid(f.proowner)),
            'function', f.oid::pg_catalog.regproc, 'definer', f.prosecdef,
            'language', (SELECT l.lanname FROM pg_catalog.pg_language AS l WHERE l.oid = f.prolang),
            'settings', coalesce(pg_catalog.to_jsonb(f.proconfig), '[]'),
            'body', pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(f.prosrc, 'UTF8')), 'hex'))), '[]')
        FROM pg_catalog.pg_event_trigger AS t JOIN pg_catalog.pg_proc AS f ON f.oid = t.evtfoid
        WHERE t.evtname IN ('pgrst_ddl_watch', 'pgrst_drop_watch')),
    -- Who owns what is in schema extensions. Extensions themselves, which a trusted one leaves to who asked for it, do no harm.
    'planted', (SELECT coalesce(pg_catalog.jsonb_agg(DISTINCT pg_catalog.pg_get_userbyid(s.refobjid)), '[]')
        FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_shdepend AS s ON s.classid = d.classid AND s.objid = d.objid
        WHERE d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
            AND d.refobjid = pg_catalog.to_regnamespace('extensions')
            AND d.classid <> 'pg_catalog.pg_extension'::pg_catalog.regclass
            AND s.dbid = (SELECT b.oid FROM pg_catalog.pg_database AS b WHERE b.datname = pg_catalog.current_database())
            AND s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND s.deptype = 'o'));
COMMIT;
