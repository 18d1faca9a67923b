# Names that are taken. The run checks the same lists (desired/names.py).
rec {
  # An instance's name becomes part of Unix users (31 characters), slices and units (a dash nests and confuses
  # them), PostgreSQL roles and replication slots (no dash).
  pattern = "[a-z][a-z0-9]{0,12}";
  # The first four are read as values on a command line; admin and login would make owners called supabase_admin and
  # supabase_login; build to returned: what stands beside the instances' directories in /var/lib/supabase; then parts of the revision.
  instances = [
    "true" "false" "null" "all" "admin" "login" "build" "confirmed" "dumps" "epoch" "removed" "returned" "cluster" "module"
  ];
  valid = name: builtins.match pattern name != null && !builtins.elem name instances;

  # Roles that exist once per cluster.
  roles = [
    "anon" "authenticated" "authenticator" "dashboard_user" "pgbouncer" "postgres" "public" "service_role"
    "supabase_admin" "supabase_auth_admin" "supabase_etl_admin" "supabase_functions_admin" "supabase_login"
    "supabase_read_only_user" "supabase_realtime_admin" "supabase_replication_admin" "supabase_storage_admin"
  ];
}
