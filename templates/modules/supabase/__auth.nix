# auth (GoTrue): on the host's loopback, since it sends mail and asks identity providers. Those in the namespace reach it
# over a bridge.
{ lib, pkgs, instance, ... }:
let
  inherit (instance) settings;
  inherit (settings) smtp;
  run = instance.runtimeDir "auth";
  file = "10-supabase.env";
  port = instance.id "auth";
  login = smtp != null && smtp.user != null;
  secretEnvironment = instance.secretEnvironment "auth";
  path = secret: lib.escapeShellArg (instance.runtime secret);

  # Lines of an env file as godotenv reads it: nothing is replaced between single quotes, but there is no way to write one.
  compose = import ./__compose.nix { inherit pkgs instance; } {
    service = "auth";
    inherit file;
    write = ''
      add() {
        case $2 in *"'"* | *\\) refuse "$3" "holds a single quote or ends in a backslash, which auth cannot read: choose another" ;; esac
        composed+="$1='$2'"$'\n'
      }
      ${import ./__key-set.nix { inherit lib instance; signs = true; }}
      add GOTRUE_JWT_KEYS "[$keys]" ${path settings.jwtSecret}
      read_secret ${path settings.jwtSecret}
      add GOTRUE_JWT_SECRET "$secret" ${path settings.jwtSecret}
    '' + lib.optionalString login ''
      read_secret ${path settings.smtpPassword}
      add GOTRUE_SMTP_PASS "$secret" ${path settings.smtpPassword}
    '' + lib.optionalString (!settings.auth.databaseSocket) ''
      read_secret ${path settings.authDatabaseUrl}
      add GOTRUE_DB_DATABASE_URL "$secret" ${path settings.authDatabaseUrl}
    '' + lib.optionalString (secretEnvironment != null) ''
      read_secret ${path secretEnvironment}
      composed+=$(< ${path secretEnvironment})$'\n'
    '';
  };
in
{
  unit = import ./__unit.nix { inherit lib instance; } {
    service = "auth";
    description = "auth";
    secretEnvironment = null;
    reloads = [ settings.jwtSecret ] ++ lib.optional login settings.smtpPassword
      ++ lib.optional (secretEnvironment != null) secretEnvironment;
    # It keeps the connection it began with.
    restarts = lib.optional (!settings.auth.databaseSocket) settings.authDatabaseUrl;
    environment = {
      GOTRUE_API_HOST = "127.0.0.1";
      GOTRUE_API_PORT = toString port;
      API_EXTERNAL_URL = "${instance.url}/auth/v1";
      GOTRUE_SITE_URL = if settings.auth.siteUrl != null then settings.auth.siteUrl else instance.url;
      GOTRUE_URI_ALLOW_LIST = lib.concatStringsSep "," settings.auth.redirectUrls;
      GOTRUE_LOG_LEVEL = settings.logLevel;

      GOTRUE_DB_DRIVER = "postgres";
      DB_NAMESPACE = "auth";
      # 0, the default, is no limit.
      GOTRUE_DB_MAX_POOL_SIZE = "4";
      GOTRUE_DB_MAX_IDLE_POOL_SIZE = "2";
      GOTRUE_DB_CONN_MAX_LIFETIME = "1h";
      GOTRUE_DB_CONN_MAX_IDLE_TIME = "5m";

      GOTRUE_JWT_AUD = "authenticated";
      GOTRUE_JWT_EXP = toString settings.auth.jwtExpiry;
      GOTRUE_JWT_ISSUER = "${instance.url}/auth/v1";
      GOTRUE_JWT_ADMIN_ROLES = "service_role";
      GOTRUE_JWT_DEFAULT_GROUP_NAME = "authenticated";

      GOTRUE_DISABLE_SIGNUP = lib.boolToString settings.auth.disableSignup;
      GOTRUE_EXTERNAL_EMAIL_ENABLED = "true";
      GOTRUE_EXTERNAL_PHONE_ENABLED = "false";
      GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED = "false";
      GOTRUE_MAILER_AUTOCONFIRM = lib.boolToString settings.auth.autoconfirm;
      # Without it nobody is limited by address. The gateway writes this header itself.
      GOTRUE_RATE_LIMIT_HEADER = "X-Forwarded-For";

      # Whole paths: they replace that of API_EXTERNAL_URL in the links of mails.
      GOTRUE_MAILER_URLPATHS_CONFIRMATION = "/auth/v1/verify";
      GOTRUE_MAILER_URLPATHS_EMAIL_CHANGE = "/auth/v1/verify";
      GOTRUE_MAILER_URLPATHS_INVITE = "/auth/v1/verify";
      GOTRUE_MAILER_URLPATHS_RECOVERY = "/auth/v1/verify";
      GOTRUE_MAILER_EXTERNAL_HOSTS = instance.host;

      # `systemctl reload` reads the directory again; changes are not watched, or it would read half of them.
      GOTRUE_RELOADING_NOTIFY_ENABLED = "false";
      GOTRUE_RELOADING_SIGNAL_ENABLED = "true";
      GOTRUE_RELOADING_GRACE_PERIOD_INTERVAL = "100ms";

      GOMEMLIMIT = "64MiB";
      GOGC = "50";
      GOMAXPROCS = "2";
    } // lib.optionalAttrs settings.auth.databaseSocket {
      GOTRUE_DB_DATABASE_URL = "postgres://${instance.login "auth"}@/${settings.database.name}?host=/run/postgresql"
        + "&port=${toString instance.databasePort}";
    } // lib.optionalAttrs (smtp != null) {
      GOTRUE_SMTP_HOST = smtp.host;
      GOTRUE_SMTP_PORT = toString smtp.port;
      GOTRUE_SMTP_ADMIN_EMAIL = smtp.sender;
      GOTRUE_SMTP_SENDER_NAME = smtp.senderName;
    } // lib.optionalAttrs login { GOTRUE_SMTP_USER = smtp.user; };
    serviceConfig = {
      ExecCondition = import ./__migrates.nix { inherit pkgs instance; } {
        service = "auth";
        inherit (pkgs.gotrue-supabase) version;
      };
      ExecStartPre = "+${compose}";
      # Its migrations, which run first, read the file only, a reload the directory only.
      ExecStart = "${pkgs.gotrue-supabase}/bin/auth --config ${run}/${file} --config-dir ${run}";
      ExecReload = [ "+${compose}" "${pkgs.coreutils}/bin/kill -USR1 $MAINPID" ];
      # Mail, identity providers, hooks.
      IPAddressAllow = "any";
      RestrictAddressFamilies = [ "AF_UNIX" "AF_INET" "AF_INET6" ];
    };
  };

  bridges.auth-bridge = {
    description = "way to auth";
    port = instance.ports.auth;
    to = "127.0.0.1:${toString port}";
    service = "auth";
  };

  gateway = import ./__auth-routes.nix { inherit lib instance; };
}
