# rest: PostgREST on a Unix socket that only the gateway reaches, as supabase_<instance>_authenticator by peer.
{ lib, pkgs, instance, ... }:
let
  inherit (instance) settings;
  run = instance.runtimeDir "rest";
  socket = "${run}/rest.sock";

  compose = import ./__compose.nix { inherit pkgs instance; } {
    service = "rest";
    file = "jwks.json";
    write = ''
      ${import ./__key-set.nix { inherit lib instance; }}
      composed="{\"keys\":[$keys]}"
    '';
  };
in
{
  inherit socket;

  unit = import ./__unit.nix { inherit lib instance; } {
    service = "rest";
    description = "REST API";
    reloads = [ settings.jwtSecret ];
    environment = {
      PGRST_DB_URI = "postgresql://${instance.login "rest"}@/${settings.database.name}?host=/run/postgresql"
        + "&port=${toString instance.databasePort}";
      PGRST_DB_ANON_ROLE = "anon";
      PGRST_DB_SCHEMAS = "public,graphql_public";
      PGRST_DB_EXTRA_SEARCH_PATH = "public,extensions";
      PGRST_DB_MAX_ROWS = "1000";
      PGRST_DB_POOL = "4";
      # Whoever may SET ROLE anon may also `ALTER ROLE anon SET`, and the role is every instance's: PostgREST would take settings
      # from there for each request.
      PGRST_DB_CONFIG = "false";
      PGRST_DB_USE_LEGACY_GUCS = "false";
      PGRST_JWT_SECRET = "@${run}/jwks.json";
      # As the gateway: what failed, from info on what was refused too, every request with debug. PostgREST's info is every request.
      PGRST_LOG_LEVEL = { error = "error"; warn = "error"; info = "warn"; debug = "info"; }.${settings.logLevel};
      PGRST_OPENAPI_SERVER_PROXY_URI = "${instance.url}/rest/v1";
      PGRST_SERVER_UNIX_SOCKET = socket;
      PGRST_SERVER_UNIX_SOCKET_MODE = "660";
      # Without the clock of GHC's runtime, which keeps an idle PostgREST awake: a tenth of the processor time, and as many requests.
      GHCRTS = "-V0";
    };
    serviceConfig = {
      ExecStartPre = "+${compose}";
      ExecStart = "${pkgs.postgrest}/bin/postgrest";
      ExecReload = [ "+${compose}" "${pkgs.coreutils}/bin/kill -USR2 $MAINPID" ];
      PrivateNetwork = true;
      RestrictAddressFamilies = "AF_UNIX";
    };
  };

  gateway = import ./__rest-routes.nix { inherit lib instance; };
}
