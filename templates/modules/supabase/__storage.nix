# storage: the files. With backend `s3` it stands on the host's loopback, since it needs the way out; those in the namespace
# reach it over a bridge.
{ lib, pkgs, instance, ... }:
let
  inherit (instance) settings;
  inherit (settings.storage) backend s3;
  file = backend == "file";
  port = if file then instance.ports.storage else instance.id "storage";
  path = secret: lib.escapeShellArg (instance.runtime secret);
in
import ./__container.nix { inherit lib pkgs instance; } {
  service = "storage";
  description = "storage";
  migrates = true;
  namespaced = file;
  volumes = [ "/run/postgresql" ] ++ lib.optional file instance.files;
  environment = {
    SERVER_HOST = "127.0.0.1";
    SERVER_PORT = toString port;
    LOG_LEVEL = settings.logLevel;

    # By peer. The roles and their grants are the run's.
    DATABASE_URL = "postgres://${instance.login "storage"}@localhost:${toString instance.databasePort}/${settings.database.name}"
      + "?host=/run/postgresql";
    DATABASE_MAX_CONNECTIONS = "4";
    DB_INSTALL_ROLES = "false";

    # Parts of every file's path: they never change, or the files would be lost.
    TENANT_ID = instance.name;
    GLOBAL_S3_BUCKET = if file then instance.name else s3.bucket;
    # What S3 clients sign with.
    REGION = "local";

    STORAGE_BACKEND = backend;
    FILE_SIZE_LIMIT = toString settings.storage.fileSizeLimit;
    STORAGE_PUBLIC_URL = instance.url;
    # The prefix is the gateway's.
    REQUEST_ALLOW_X_FORWARDED_PATH = "true";
    # The image sets this name, which wins over ENABLE_IMAGE_TRANSFORMATION.
    IMAGE_TRANSFORMATION_ENABLED = lib.boolToString settings.services.imgproxy;
    IMGPROXY_URL = "http://127.0.0.1:${toString instance.ports.imgproxy}";

    NODE_OPTIONS = "--max-old-space-size=128 --max-semi-space-size=2";
  } // (if file then {
    FILE_STORAGE_BACKEND_PATH = instance.files;
  } else {
    STORAGE_S3_ENDPOINT = s3.endpoint;
    STORAGE_S3_REGION = s3.region;
    STORAGE_S3_FORCE_PATH_STYLE = lib.boolToString s3.forcePathStyle;
  });
  secrets = [ settings.jwtSecret settings.anonKey settings.serviceKey settings.s3Key ]
    ++ lib.optional (!file) settings.s3BackendKey;
  write = ''
    ${import ./__key-set.nix { inherit lib instance; }}
    # Addresses that are signed by the current key, named in them, stay valid while the key is in the set.
    add JWT_JWKS "{\"keys\":[$keys],\"urlSigningKey\":''${keys%%\}*}}}"
    read_secret ${path settings.jwtSecret}
    add AUTH_JWT_SECRET "$secret"
    read_secret ${path settings.anonKey}
    add ANON_KEY "$secret"
    read_secret ${path settings.serviceKey}
    add SERVICE_KEY "$secret"
    pair() {
      read_secret "$1"
      [[ $secret =~ ^[^:]+:.+$ ]] || refuse "$1" "is no key of the form ID:SECRET"
      add "$2" "''${secret%%:*}"
      add "$3" "''${secret#*:}"
    }
    pair ${path settings.s3Key} S3_PROTOCOL_ACCESS_KEY_ID S3_PROTOCOL_ACCESS_KEY_SECRET
  '' + lib.optionalString (!file) ''
    pair ${path settings.s3BackendKey} AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
  '';
}
// lib.optionalAttrs file {
  # Open to its group, for imgproxy.
  directories = [ "d ${instance.files} 0750 ${instance.unit "storage"} ${instance.unit "storage"} -" ];
}
// lib.optionalAttrs (!file) {
  bridges.storage-bridge = {
    description = "way to storage";
    port = instance.ports.storage;
    to = "127.0.0.1:${toString port}";
    service = "storage";
  };
}
// { gateway = import ./__storage-routes.nix { inherit lib instance; }; }
