-- First on every connection: refuses a session that is not the guarded superuser session this SQL is written for.
SET search_path = pg_catalog, pg_temp;
DO $supabase$
BEGIN
    IF pg_catalog.current_setting('server_version_num')::integer < 160000 THEN
        RAISE EXCEPTION 'PostgreSQL % is too old: 16 or newer is needed', pg_catalog.current_setting('server_version');
    END IF;
    IF pg_catalog.current_setting('is_superuser') <> 'on' THEN
        RAISE EXCEPTION 'this session is no superuser session';
    END IF;
    IF pg_catalog.current_setting('log_statement') <> 'none'
        OR pg_catalog.current_setting('log_min_error_statement') <> 'panic'
        OR pg_catalog.current_setting('log_error_verbosity') <> 'terse'
        OR pg_catalog.current_setting('log_min_duration_statement') <> '-1'
        OR pg_catalog.current_setting('standard_conforming_strings') <> 'on'
    THEN
        RAISE EXCEPTION 'this session would log verifiers: start psql with the session options';
    END IF;
END
$supabase$;
