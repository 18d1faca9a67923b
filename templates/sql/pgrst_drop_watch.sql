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
