"""What an instance tries in its own session: statements against the server and everybody, and those against one other."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Sql:
    """One attempt inside a session. Its last statement must succeed and, where it is a question, say `t`.

    `whole`: not in a transaction that is rolled back afterwards; then `undo` is what a control does after it."""

    kind: str
    text: str
    whole: bool = False
    undo: str = ""

    @property
    def asks(self) -> bool:
        return self.text.rsplit(";", 1)[-1].strip().upper().startswith("SELECT")


_EVENT = "CREATE FUNCTION pg_temp.t() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER t ON "
_PROTECTED = "pg_read_all_data pg_write_all_data pg_read_server_files pg_write_server_files pg_execute_server_program"
_POWERS = "postgres supabase_login pg_signal_backend pg_monitor pg_checkpoint pg_create_subscription pg_maintain"

_SERVER: Mapping[str, tuple[str, ...]] = {
    "privileged role": tuple(f"SET ROLE {role}" for role in f"{_PROTECTED} {_POWERS}".split()),
    "create role": (
        "CREATE ROLE intruder",
        "CREATE USER intruder SUPERUSER",
        "CREATE ROLE intruder IN ROLE anon LOGIN",
        "CREATE ROLE intruder ROLE anon",
    ),
    "shared role": (
        "ALTER ROLE anon LOGIN",
        "ALTER ROLE anon SUPERUSER",
        "ALTER ROLE authenticated BYPASSRLS",
        "ALTER ROLE service_role LOGIN CREATEROLE",
        "ALTER ROLE supabase_realtime_admin CREATEDB",
        "ALTER ROLE supabase_login RENAME TO mine",
        "ALTER ROLE supabase_login SET work_mem = '64kB'",
        "ALTER ROLE ALL SET statement_timeout = '1ms'",
        "DROP ROLE dashboard_user",
        "GRANT service_role TO anon",
        "GRANT supabase_realtime_admin TO anon",
        "GRANT anon TO shop",
        "GRANT supabase_login TO shop",
        "COMMENT ON ROLE anon IS 'mine'",
    ),
    "reload": ("SELECT pg_reload_conf()",),
    "server file": (
        "SELECT pg_read_file('PG_VERSION') <> ''",
        "SELECT pg_read_file('/etc/passwd') <> ''",
        "SELECT pg_read_binary_file('global/pg_control') <> ''",
        "SELECT size > 0 FROM pg_stat_file('PG_VERSION')",
        "COPY (SELECT 1) TO '/tmp/intruder'",
        "CREATE TEMP TABLE seen (line text); COPY seen FROM '/etc/hosts'",
        "SELECT lo_import('/etc/passwd') > 0",
        "SELECT lo_create(7654321); SELECT lo_export(7654321, '/tmp/intruder') = 1",
    ),
    "server directory": (
        "SELECT count(*) > 0 FROM pg_ls_dir('.')",
        "SELECT count(*) >= 0 FROM pg_ls_waldir()",
        "SELECT count(*) >= 0 FROM pg_ls_tmpdir()",
        "SELECT count(*) >= 0 FROM pg_ls_archive_statusdir()",
    ),
    "server program": (
        "COPY (SELECT 1) TO PROGRAM 'cat > /dev/null'",
        "CREATE TEMP TABLE seen (line text); COPY seen FROM PROGRAM 'id'",
    ),
    "server configuration": (
        "SELECT count(*) > 0 FROM pg_hba_file_rules",
        "SELECT count(*) > 0 FROM pg_ident_file_mappings",
        "SELECT count(*) > 0 FROM pg_file_settings",
        "SHOW data_directory",
        "SHOW hba_file",
    ),
    "privileged setting": (
        "SET log_statement = 'all'",
        "SET session_replication_role = replica",
        "SET log_min_duration_statement = 0",
        "SET zero_damaged_pages = on",
        "SET temp_file_limit = -1",
        "SET track_activities = off",
    ),
    "code": (
        "LOAD 'auto_explain'",
        "CREATE FUNCTION pg_temp.f() RETURNS language_handler LANGUAGE c AS 'plpgsql', 'plpgsql_call_handler'",
        "CREATE FUNCTION pg_temp.f(int, int) RETURNS int LANGUAGE internal AS 'int4pl'",
        "CREATE LANGUAGE own HANDLER plpgsql_call_handler",
        "CREATE ACCESS METHOD own TYPE INDEX HANDLER bthandler",
        "CREATE CAST (text AS integer) WITH INOUT AS IMPLICIT",
        "CREATE OPERATOR CLASS own FOR TYPE int4 USING btree AS FUNCTION 1 btint4cmp(int4, int4)",
        "CREATE FUNCTION pg_catalog.intruder() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE FUNCTION extensions.intruder() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ),
    "event trigger": tuple(f"{_EVENT}{event} EXECUTE FUNCTION pg_temp.t()" for event in ("ddl_command_end", "sql_drop", "login")),
    "way to another server": (
        *(f"CREATE EXTENSION {name}" for name in ("dblink", "postgres_fdw", "file_fdw")),
        "CREATE FOREIGN DATA WRAPPER own",
        "CREATE SUBSCRIPTION own CONNECTION 'user=postgres' PUBLICATION p WITH (connect = false, slot_name = NONE)",
    ),
    "untrusted extension": tuple(f"CREATE EXTENSION {name}" for name in ("pageinspect", "pg_buffercache", "pg_visibility")),
    "publication of everything": ("CREATE PUBLICATION everything FOR ALL TABLES",),
    "write-ahead log": (
        "CHECKPOINT",
        "SELECT pg_switch_wal() IS NOT NULL",
        "SELECT pg_create_restore_point('x') IS NOT NULL",
    ),
    "passwords": (
        "SELECT count(*) > 0 FROM pg_authid",
        "SELECT count(rolpassword) > 0 FROM pg_authid",
        "SELECT count(*) > 0 FROM pg_shadow",
        "SELECT count(subconninfo) >= 0 FROM pg_subscription",
    ),
    "catalog": (
        "UPDATE pg_database SET datacl = NULL WHERE datname = current_database()",
        "DELETE FROM pg_db_role_setting",
        "UPDATE pg_authid SET rolsuper = true WHERE rolname = session_user",
    ),
    "session of the server": (
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'logical replication launcher'",
        "SELECT pg_log_backend_memory_contexts(pg_backend_pid())",
    ),
    "statistics": (
        "SELECT pg_stat_reset_shared('bgwriter') IS NOT NULL",
        "SELECT count(*) > 0 FROM pg_backend_memory_contexts",
        "SELECT count(*) > 0 FROM pg_shmem_allocations",
    ),
    "replication origin": ("SELECT pg_replication_origin_create('intruder') > 0",),
    "grant on the server": tuple(
        f"GRANT {privilege} ON {kind} {name} TO anon; SELECT has_{check}_privilege('anon', '{name}', '{privilege}')"
        for privilege, kind, check, name in (
            ("CREATE", "TABLESPACE", "tablespace", "pg_default"),
            ("SET", "PARAMETER", "parameter", "log_statement"),
            ("EXECUTE", "FUNCTION", "function", "pg_read_file(text)"),
            ("SELECT", "TABLE", "table", "pg_authid"),
        )
    ),
}
SERVER = (
    *(Sql(kind, text) for kind, texts in _SERVER.items() for text in texts),
    Sql("session authorization", "SET SESSION AUTHORIZATION postgres"),
    *(
        Sql("create database", f"CREATE DATABASE intruder {how}", True, "DROP DATABASE intruder")
        for how in ("", "TEMPLATE template0", "OWNER anon")
    ),
    Sql("alter system", "ALTER SYSTEM SET work_mem = '64kB'", True, "ALTER SYSTEM RESET work_mem"),
    Sql("alter system", "ALTER SYSTEM SET archive_command = 'id'", True, "ALTER SYSTEM RESET archive_command"),
    Sql("alter system", "ALTER SYSTEM RESET ALL", True),
    Sql("tablespace", "CREATE TABLESPACE intruder LOCATION '/var/lib/postgresql/intruder'", True, "DROP TABLESPACE intruder"),
    Sql("write-ahead log", "SELECT pg_backup_start('x') IS NOT NULL", True, "SELECT pg_backup_stop()"),
)

_ROLE = (
    *("SET ROLE {role}", "SET SESSION AUTHORIZATION {role}"),
    *("ALTER ROLE {role} PASSWORD 'stolen'", "ALTER ROLE {role} NOLOGIN", "ALTER ROLE {role} CONNECTION LIMIT 0"),
    *("ALTER ROLE {role} SUPERUSER", "ALTER ROLE {role} VALID UNTIL '2001-01-01'", "ALTER ROLE {role} RENAME TO taken"),
    *("ALTER ROLE {role} SET statement_timeout = '1ms'", "ALTER ROLE {role} IN DATABASE {db} SET search_path = nowhere"),
    *("GRANT {role} TO CURRENT_USER", "GRANT {role} TO shop", "GRANT anon TO {role} WITH ADMIN OPTION"),
    *("COMMENT ON ROLE {role} IS 'mine'", "REASSIGN OWNED BY {role} TO CURRENT_USER", "DROP OWNED BY {role}"),
)
_DATABASE = (
    *("OWNER TO CURRENT_USER", "SET search_path = nowhere", "CONNECTION LIMIT 0", "ALLOW_CONNECTIONS false", "IS_TEMPLATE true"),
    *("SET session_preload_libraries = 'auto_explain'", "RESET ALL"),
)
_HIS = "FROM pg_stat_activity WHERE usename = '{session}'"
_SESSION = {
    "statement of another": (
        f"SELECT coalesce(bool_or(query <> '<insufficient privilege>'), false) {_HIS}",
        f"SELECT coalesce(bool_or(backend_start IS NOT NULL), false) {_HIS}",
    ),
    "session of another": (
        f"SELECT pg_cancel_backend(pid) {_HIS} LIMIT 1",
        f"SELECT pg_terminate_backend(pid) {_HIS} LIMIT 1",
    ),
}
_SLOT = (
    "SELECT pg_drop_replication_slot('{slot}') IS NOT NULL",
    "SELECT count(*) >= 0 FROM pg_logical_slot_get_changes('{slot}', NULL, NULL)",
    "SELECT count(*) >= 0 FROM pg_logical_slot_peek_changes('{slot}', NULL, NULL)",
    "SELECT pg_replication_slot_advance('{slot}', pg_current_wal_lsn()) IS NOT NULL",
)


@dataclass(frozen=True)
class Victim:
    """Whose. `roles`: logins, the owner first; `session`: a login of theirs that has a session; `slot`: an active slot."""

    name: str
    database: str
    roles: tuple[str, ...]
    session: str
    slot: str = ""

    def attempts(self) -> Iterator[Sql]:
        """Against this one, from a session in a database of somebody else."""
        db = self.database
        for role in self.roles:
            for text in _ROLE:
                words = [word.lower() for word in text.split()[:2] if word.isalpha()]
                yield Sql(" ".join([*words, "of another"]), text.format(role=role, db=db))
            grant = f"DO $$ BEGIN EXECUTE format('GRANT CONNECT ON DATABASE %I TO {role}', current_database()); END $$"
            yield Sql("let another in", f"{grant}; SELECT has_database_privilege('{role}', current_database(), 'CONNECT')")
        for grantee, name in (("CURRENT_USER", "current_user"), ("anon", "'anon'"), ("PUBLIC", "'public'")):
            grant = f"GRANT CONNECT, CREATE ON DATABASE {db} TO {grantee}"
            yield Sql("database of another", f"{grant}; SELECT has_database_privilege({name}, '{db}', 'CREATE')")
        for change in _DATABASE:
            yield Sql("database of another", f"ALTER DATABASE {db} {change}")
        yield Sql("database of another", f"COMMENT ON DATABASE {db} IS 'mine'")
        for kind, texts in _SESSION.items():
            for text in texts:
                yield Sql(kind, text.format(session=self.session))
        yield from copying(db)
        if self.slot:
            for text in _SLOT:
                yield Sql("slot of another", text.format(slot=self.slot))


def copying(database: str) -> Iterator[Sql]:
    """While somebody is connected PostgreSQL refuses these to everyone: the control's database is nobody's."""
    for text, undo in (
        (f"CREATE DATABASE taken TEMPLATE {database}", "DROP DATABASE taken"),
        (f"ALTER DATABASE {database} RENAME TO taken", f"ALTER DATABASE taken RENAME TO {database}"),
        (f"DROP DATABASE {database}", f"CREATE DATABASE {database}"),
        (f"DROP DATABASE {database} WITH (FORCE)", f"CREATE DATABASE {database}"),
    ):
        yield Sql("whole database of another", text, True, undo)
