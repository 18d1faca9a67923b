# rest: PostgREST on a Unix socket that only the gateway reaches, as supabase_<instance>_authenticator by peer.
{ lib, pkgs, config, instance, ... }:
let
  inherit (instance) settings;
  run = instance.runtimeDir "rest";
  socket = "${run}/rest.sock";

  # The verifier gets a key set, never a plain secret: only so can two generations overlap.
  compose = import ./__compose.nix { inherit pkgs instance; } {
    service = "rest";
    file = "jwks.json";
    write = ''
      add_key() {
        local kid k
        kid=$(printf 'supabase-kid:%s' "$secret" | sha256sum)
        k=$(printf '%s' "$secret" | base64 -w 0)
        k=''${k//+/-} k=''${k//\//_} k=''${k%%=*}
        composed+="''${composed:+,}{\"alg\":\"HS256\",\"k\":\"$k\",\"key_ops\":[\"verify\"],\"kid\":\"''${kid:0:16}\",\"kty\":\"oct\",\"use\":\"sig\"}"
      }
      each_generation ${lib.escapeShellArg (instance.runtime settings.jwtSecret)} add_key
      composed="{\"keys\":[$composed]}"
    '';
  };
in
{
  unit = import ./__unit.nix {
    inherit instance;
    secrets = [ settings.jwtSecret ];
    service = "rest";
    description = "REST API";
    environment = {
      PGRST_DB_URI = "postgresql://${instance.login "rest"}@/${settings.database.name}?host=/run/postgresql"
        + "&port=${toString (config.services.postgresql.settings.port or 5432)}";
      PGRST_DB_ANON_ROLE = "anon";
      PGRST_DB_SCHEMAS = "public,graphql_public";
      PGRST_DB_EXTRA_SEARCH_PATH = "public,extensions";
      PGRST_DB_MAX_ROWS = "1000";
      PGRST_DB_POOL = "4";
      PGRST_DB_USE_LEGACY_GUCS = "false";
      PGRST_JWT_SECRET = "@${run}/jwks.json";
      # PostgREST 12 knows no debug.
      PGRST_LOG_LEVEL = if settings.logLevel == "debug" then "info" else settings.logLevel;
      PGRST_OPENAPI_SERVER_PROXY_URI = "https://${instance.host}/rest/v1";
      PGRST_SERVER_UNIX_SOCKET = socket;
      PGRST_SERVER_UNIX_SOCKET_MODE = "660";
    };
    serviceConfig = {
      ExecStartPre = "+${compose}";
      ExecStart = "${pkgs.postgrest}/bin/postgrest";
      ExecReload = [ "+${compose}" "${pkgs.coreutils}/bin/kill -USR2 $MAINPID" ];
      PrivateNetwork = true;
      RestrictAddressFamilies = "AF_UNIX";
    };
  };

  gateway = {
    upstream = "upstream rest { server unix:${socket}; }";
    routes = { checkKey, pass, ... }: ''
      location /rest/v1/ {
        ${checkKey}
        ${pass { prefix = "/rest/v1"; upstream = "rest"; }}
      }
      # The root describes every table and function: not for anon.
      location = /rest/v1/ {
        ${checkKey}
        if ($key_role != service_role) { return 403 '{"message":"Access to the schema needs the service_role key"}'; }
        ${pass { prefix = "/rest/v1"; upstream = "rest"; }}
      }
      location = /rest/v1 { return 404 '{"message":"no Route matched with those values"}'; }
    '';
  };
}
