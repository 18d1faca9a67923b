# services.postgresql with NixOS' option, unit, user and directory names; the server is Debian's. The files postgresql.conf,
# pg_hba.conf and pg_ident.conf are in the store and named by the unit: a change of settings, authentication or identMap restarts.
{ lib, config, pkgs, ... }:
let
  inherit (lib) mkOption mkEnableOption types;
  cfg = config.services.postgresql;
  major = cfg.package.psqlSchema;
  quote = v: "'${builtins.replaceStrings [ "'" ] [ "''" ] v}'";
  literal = v: if builtins.isBool v then (if v then "yes" else "no") else if builtins.isString v then quote v else toString v;
  conf = pkgs.writeText "postgresql.conf" (lib.concatLines (lib.mapAttrsToList (k: v: "${k} = ${literal v}") (lib.filterAttrs (_: v: v != null) cfg.settings)));
  hba = pkgs.writeText "pg_hba.conf" cfg.authentication;
  ident = pkgs.writeText "pg_ident.conf" cfg.identMap;
  clause = n: v: if v then n else "no${n}";
in
{
  options.services.postgresql = {
    enable = mkEnableOption "PostgreSQL Server";
    package = mkOption { type = types.package; default = pkgs.postgresql_17; };
    finalPackage = mkOption { type = types.package; readOnly = true; default = cfg.package; };
    extensions = mkOption { type = types.unspecified; default = [ ]; };
    enableJIT = mkOption { type = types.bool; default = false; };
    dataDir = mkOption { type = types.path; default = "/var/lib/postgresql/${major}"; };
    checkConfig = mkOption { type = types.bool; default = true; };
    superUser = mkOption { type = types.str; readOnly = true; default = "postgres"; };
    enableTCPIP = mkOption { type = types.bool; default = false; };
    settings = mkOption {
      default = { };
      type = types.submodule {
        freeformType = types.attrsOf (types.nullOr (types.oneOf [ types.bool types.float types.int types.str ]));
        options = {
          port = mkOption { type = types.port; default = 5432; };
          log_line_prefix = mkOption { type = types.str; default = "[%p] "; };
          shared_preload_libraries = mkOption {
            type = types.nullOr (types.coercedTo (types.listOf types.str) (lib.concatStringsSep ",") types.commas);
            default = null;
          };
        };
      };
    };
    authentication = mkOption { type = types.lines; default = ""; };
    identMap = mkOption { type = types.lines; default = ""; };
    initdbArgs = mkOption { type = types.listOf types.str; default = [ ]; };
    initialScript = mkOption { type = types.nullOr types.path; default = null; };
    ensureDatabases = mkOption { type = types.listOf types.str; default = [ ]; };
    ensureUsers = mkOption {
      default = [ ];
      type = types.listOf (types.submodule {
        options = {
          name = mkOption { type = types.str; };
          ensureDBOwnership = mkOption { type = types.bool; default = false; };
          ensureClauses = lib.genAttrs [ "superuser" "createrole" "createdb" "inherit" "login" "replication" "bypassrls" ]
            (_: mkOption { type = types.nullOr types.bool; default = null; });
        };
      });
    };
  };
  config = lib.mkIf cfg.enable {
    assertions = map (u: {
      assertion = u.ensureDBOwnership -> lib.elem u.name cfg.ensureDatabases;
      message = "For each database user defined with `services.postgresql.ensureUsers` and `ensureDBOwnership = true;`, a database with the same name must be defined in `services.postgresql.ensureDatabases`. Offender: ${u.name}";
    }) cfg.ensureUsers;
    services.postgresql = {
      settings = {
        hba_file = "${hba}";
        ident_file = "${ident}";
        log_destination = "stderr";
        listen_addresses = if cfg.enableTCPIP then "*" else "localhost";
        jit = lib.mkDefault (if cfg.enableJIT then "on" else "off");
      };
      authentication = lib.mkMerge [
        (lib.mkBefore "# Generated file; do not edit!")
        (lib.mkAfter ''
          # default value of services.postgresql.authentication
          local all postgres         peer map=postgres
          local all all              peer
          host  all all 127.0.0.1/32 md5
          host  all all ::1/128      md5
        '')
      ];
      identMap = lib.mkAfter ''
        # default value of services.postgresql.identMap
        postgres postgres postgres
      '';
    };
    users.users.postgres = { isSystemUser = true; group = "postgres"; home = cfg.dataDir; description = "PostgreSQL server user"; shell = "/bin/bash"; };
    users.groups.postgres = { };
    environment.systemPackages = [ cfg.finalPackage ];
    systemd.targets.postgresql = {
      description = "PostgreSQL";
      wantedBy = [ "multi-user.target" ];
      requires = [ "postgresql.service" "postgresql-setup.service" ];
    };
    systemd.services.postgresql = {
      description = "PostgreSQL Server";
      after = [ "network.target" ];
      partOf = [ "postgresql.target" ];
      environment.PGDATA = cfg.dataDir;
      path = [ cfg.finalPackage ];
      preStart = ''
        if ! test -e ${cfg.dataDir}/PG_VERSION; then
          rm -f ${cfg.dataDir}/*.conf
          initdb -U ${cfg.superUser} --locale=C.UTF-8 -E UTF8 ${lib.escapeShellArgs cfg.initdbArgs}
          touch "${cfg.dataDir}/.first_startup"
        fi
        ln -sfn ${conf} ${cfg.dataDir}/postgresql.conf
      '';
      serviceConfig = {
        ExecStart = "${cfg.finalPackage}/bin/postgres";
        ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
        User = "postgres";
        Group = "postgres";
        Type = "notify";
        KillSignal = "SIGINT";
        KillMode = "mixed";
        TimeoutSec = 120;
        RuntimeDirectory = "postgresql";
        StateDirectory = "postgresql postgresql/${major}";
        StateDirectoryMode = "0700";
        UMask = "0077";
        Slice = "system-postgresql.slice";
        OOMScoreAdjust = "-900";
        PrivateTmp = true;
        NoNewPrivileges = true;
        ProtectHome = true;
        ProtectSystem = "strict";
        RestrictAddressFamilies = [ "AF_INET" "AF_INET6" "AF_NETLINK" "AF_UNIX" ];
      };
    };
    systemd.services.postgresql-setup = {
      description = "PostgreSQL Setup Scripts";
      requires = [ "postgresql.service" ];
      after = [ "postgresql.service" ];
      partOf = [ "postgresql.service" ];
      serviceConfig = { User = cfg.superUser; Group = "postgres"; Type = "oneshot"; RemainAfterExit = true; };
      path = [ cfg.finalPackage ];
      environment.PGPORT = toString cfg.settings.port;
      script = ''
        psql() { command psql -tAqX -d postgres -v ON_ERROR_STOP=1 "$@"; }
        while ! psql -c "" 2> /dev/null; do if ! systemctl is-active --quiet postgresql.service; then exit 1; fi; sleep 0.1; done
        ${lib.optionalString (cfg.initialScript != null) "if test -e ${cfg.dataDir}/.first_startup; then psql -f ${cfg.initialScript}; fi"}
        rm -f "${cfg.dataDir}/.first_startup"
        ${lib.concatMapStrings (d: ''
          psql -c "SELECT 1 FROM pg_database WHERE datname = '${d}'" | grep -q 1 || psql -c 'CREATE DATABASE "${d}"'
        '') cfg.ensureDatabases}
        ${lib.concatMapStrings (u: let clauses = lib.mapAttrsToList clause (lib.filterAttrs (_: v: v != null) u.ensureClauses); in ''
          psql -c "SELECT 1 FROM pg_roles WHERE rolname='${u.name}'" | grep -q 1 || psql -c 'CREATE USER "${u.name}"'
          ${lib.optionalString (clauses != [ ]) "psql -c 'ALTER ROLE \"${u.name}\" ${toString clauses}'"}
          ${lib.optionalString u.ensureDBOwnership "psql -c 'ALTER DATABASE \"${u.name}\" OWNER TO \"${u.name}\"'"}
        '') cfg.ensureUsers}
      '';
    };
  };
}
