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
