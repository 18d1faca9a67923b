# studio: the pages. It speaks to meta and, as any client, to the gateway; the gateway asks its visitors for the password.
{ lib, pkgs, instance, ... }:
let
  inherit (instance) settings;
  folder = "${instance.directory}/studio";
  path = secret: lib.escapeShellArg (instance.runtime secret);
in
import ./__container.nix { inherit lib pkgs instance; } {
  service = "studio";
  description = "Studio";
  volumes = [ folder ];
  environment = {
    HOSTNAME = "127.0.0.1";
    PORT = toString instance.ports.studio;

    SUPABASE_URL = "http://127.0.0.1:${toString instance.ports.gateway}";
    SUPABASE_PUBLIC_URL = instance.url;
    STUDIO_PG_META_URL = "http://127.0.0.1:${toString instance.ports.meta}";
    # What meta is told to connect to: as the owner, by peer behind this port. One must name a password.
    POSTGRES_HOST = "127.0.0.1";
    POSTGRES_PORT = toString instance.ports.metaDatabase;
    POSTGRES_DB = settings.database.name;
    POSTGRES_USER_READ_WRITE = instance.login "meta";
    POSTGRES_USER_READ_ONLY = instance.login "meta";
    POSTGRES_PASSWORD = "peer";
    # As PostgREST has them.
    PGRST_DB_SCHEMAS = "public,graphql_public";
    PGRST_DB_EXTRA_SEARCH_PATH = "public,extensions";
    PGRST_DB_MAX_ROWS = "1000";

    DEFAULT_ORGANIZATION_NAME = instance.host;
    DEFAULT_PROJECT_NAME = instance.name;
    SNIPPETS_MANAGEMENT_FOLDER = folder;
    # There is no log server.
    ENABLED_FEATURES_LOGS_ALL = "false";
    NEXT_TELEMETRY_DISABLED = "1";
    NODE_OPTIONS = "--max-old-space-size=192 --max-semi-space-size=2";
  };
  secrets = [ settings.jwtSecret settings.anonKey settings.serviceKey settings.metaKey ];
  write = ''
    read_secret ${path settings.jwtSecret}
    add AUTH_JWT_SECRET "$secret"
    read_secret ${path settings.anonKey}
    add SUPABASE_ANON_KEY "$secret"
    read_secret ${path settings.serviceKey}
    add SUPABASE_SERVICE_KEY "$secret"
    read_secret ${path settings.metaKey}
    add PG_META_CRYPTO_KEY "$secret"
  '';
}
// {
  # Saved queries.
  directories = [ "d ${folder} 0700 ${instance.unit "studio"} ${instance.unit "studio"} -" ];

  gateway = import ./__studio-routes.nix { inherit lib instance; };
}
