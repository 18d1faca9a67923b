# realtime: changes of the database, broadcast, presence. The image starts it in three steps: its own migrations, the tenant
# (deleted and made anew from these variables, with the tenant's migrations), the server.
{ lib, pkgs, instance, ... }:
let
  inherit (instance) settings;
  users = settings.realtime.maxConcurrentUsers;
  path = secret: lib.escapeShellArg (instance.runtime secret);
in
import ./__container.nix { inherit lib pkgs instance; } {
  service = "realtime";
  description = "realtime";
  migrates = true;
  needs = [ "supabase-${instance.name}-realtime-db.socket" ];
  environment = {
    PORT = toString instance.ports.realtime;
    REALTIME_IP_VERSION = "ipv4";
    # elixir's own word
    LOG_LEVEL = if settings.logLevel == "warn" then "warning" else settings.logLevel;
    DISABLE_HEALTHCHECK_LOGGING = "true";

    # It speaks TCP only. Behind this port PostgreSQL sees the instance's user and asks for no password; one must be set.
    DB_HOST = "127.0.0.1";
    DB_IP_VERSION = "ipv4";
    DB_PORT = toString instance.ports.realtimeDatabase;
    DB_NAME = settings.database.name;
    DB_USER = instance.login "realtime";
    DB_PASSWORD = "peer";
    DB_SSL = "false";
    DB_AFTER_CONNECT_QUERY = "SET search_path TO _realtime";
    DB_POOL_SIZE = "2";
    DB_ENC_WRITE_GCM = "true";
    # Replication slots are named once for the whole PostgreSQL.
    SLOT_NAME_SUFFIX = instance.name;

    # The gateway's Host names the tenant.
    SELF_HOST_TENANT_NAME = instance.name;
    SEED_SELF_HOST = "true";
    RUN_JANITOR = "true";
    TENANT_MAX_CONCURRENT_USERS = toString users;
    TENANT_MAX_EVENTS_PER_SECOND = "1000";
    TENANT_MAX_BYTES_PER_SECOND = "1000000";
    TENANT_MAX_JOINS_PER_SECOND = "500";
    TENANT_MAX_CHANNELS_PER_CLIENT = "100";
    MAX_CONNECTIONS = toString (lib.max 1000 (2 * users));

    # A node of its own, that no other can join.
    APP_NAME = "realtime";
    NODE_NAME = "realtime-${instance.name}";
    DNS_NODES = "''";
    GEN_RPC_SOCKET_IP = "127.0.0.1";
    ERL_AFLAGS = "-proto_dist inet_tcp";
    ELIXIR_ERL_OPTIONS = "+fnu +S 1:1 +SDio 1 +sbwt none +sbwtdcpu none +sbwtdio none";
    HOME = "/tmp";
    RELEASE_TMP = "/tmp";
  };
  secrets = [ settings.jwtSecret settings.realtimeSecret ];
  write = ''
    ${import ./__key-set.nix { inherit lib instance; }}
    add API_JWT_JWKS "{\"keys\":[$keys]}"
    read_secret ${path settings.jwtSecret}
    add API_JWT_SECRET "$secret"
    read_secret ${path settings.realtimeSecret}
    # A key of its own for each purpose, of a length in characters.
    derive() {
      local key
      key=$(printf 'supabase-realtime-%s:%s' "$2" "$secret" | sha256sum)
      add "$1" "''${key:0:$3}"
    }
    derive SECRET_KEY_BASE secret-key-base 64
    derive METRICS_JWT_SECRET metrics-jwt-secret 64
    derive RELEASE_COOKIE release-cookie 64
    derive DB_ENC_KEY db-enc-key 16
    derive DB_ENC_KEY_GCM db-enc-key-gcm 32
  '';
}
// {
  bridges.realtime-db = {
    description = "realtime's way to PostgreSQL";
    port = instance.ports.realtimeDatabase;
    to = "/run/postgresql/.s.PGSQL.${toString instance.databasePort}";
    service = "realtime";
  };

  gateway = import ./__realtime-routes.nix { inherit lib instance; };
}
