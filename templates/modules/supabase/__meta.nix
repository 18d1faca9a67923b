# meta (postgres-meta): SQL as the owner of the database, by HTTP and without a login of its own. Only in the namespace.
{ lib, pkgs, instance, ... }:
let
  inherit (instance) settings;
in
import ./__container.nix { inherit lib pkgs instance; } {
  service = "meta";
  description = "postgres-meta";
  volumes = [ "/run/postgresql" ];
  environment = {
    PG_META_HOST = "127.0.0.1";
    # The next port is its metrics'.
    PG_META_PORT = toString instance.ports.meta;
    # By peer.
    PG_META_DB_URL = "postgres://${instance.login "meta"}@localhost:${toString instance.databasePort}/${settings.database.name}"
      + "?host=/run/postgresql";
    NODE_OPTIONS = "--max-old-space-size=96 --max-semi-space-size=2";
  };
  secrets = [ settings.metaKey ];
  write = ''
    read_secret ${lib.escapeShellArg (instance.runtime settings.metaKey)}
    add CRYPTO_KEY "$secret"
  '';
}
// {
  # Where Studio's connections lead, which name a host and a port.
  bridges.meta-db = {
    description = "Studio's way to PostgreSQL";
    port = instance.ports.metaDatabase;
    to = "/run/postgresql/.s.PGSQL.${toString instance.databasePort}";
    service = "meta";
  };

  gateway = import ./__meta-routes.nix { inherit lib instance; };
}
