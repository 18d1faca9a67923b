{ lib, config, pkgs, ... }:
let
  inherit (lib) mkOption mkEnableOption types;
  cfg = config.services.caddy;
  vhost = v: ''
    ${lib.concatStringsSep " " ([ v.hostName ] ++ v.serverAliases)} {
      ${lib.optionalString (v.listenAddresses != [ ]) "bind ${toString v.listenAddresses}"}
      ${lib.optionalString (v.useACMEHost != null) "tls /var/lib/acme/${v.useACMEHost}/cert.pem /var/lib/acme/${v.useACMEHost}/key.pem"}
      ${lib.optionalString (v.logFormat != null) "log {\n${v.logFormat}\n}"}
      ${v.extraConfig}
    }
  '';
  file = pkgs.writeText "Caddyfile" ''
    {
      ${lib.optionalString (cfg.email != null) "email ${cfg.email}"}
      ${lib.optionalString (cfg.acmeCA != null) "acme_ca ${cfg.acmeCA}"}
      ${cfg.globalConfig}
      log {
        ${cfg.logFormat}
      }
    }
    ${cfg.extraConfig}
    ${lib.concatMapStrings vhost (lib.attrValues cfg.virtualHosts)}
  '';
in
{
  options.services.caddy = {
    enable = mkEnableOption "Caddy web server";
    package = mkOption { type = types.package; default = pkgs.caddy; };
    user = mkOption { type = types.str; default = "caddy"; };
    group = mkOption { type = types.str; default = "caddy"; };
    email = mkOption { type = types.nullOr types.str; default = null; };
    acmeCA = mkOption { type = types.nullOr types.str; default = null; };
    logFormat = mkOption { type = types.lines; default = "level ERROR"; };
    globalConfig = mkOption { type = types.lines; default = ""; };
    extraConfig = mkOption { type = types.lines; default = ""; };
    configFile = mkOption { type = types.path; default = file; };
    enableReload = mkOption { type = types.bool; default = true; };
    virtualHosts = mkOption {
      default = { };
      type = types.attrsOf (types.submodule ({ name, ... }: {
        options = {
          hostName = mkOption { type = types.str; default = name; };
          serverAliases = mkOption { type = types.listOf types.str; default = [ ]; };
          listenAddresses = mkOption { type = types.listOf types.str; default = [ ]; };
          useACMEHost = mkOption { type = types.nullOr types.str; default = null; };
          # NixOS' default is a file for each
          logFormat = mkOption { type = types.nullOr types.lines; default = null; };
          extraConfig = mkOption { type = types.lines; default = ""; };
        };
      }));
    };
  };
  config = lib.mkIf cfg.enable {
    users.users.${cfg.user} = { isSystemUser = true; group = cfg.group; home = "/var/lib/caddy"; };
    users.groups.${cfg.group} = { };
    environment.etc."caddy/caddy_config".source = cfg.configFile;
    systemd.services.caddy = {
      description = "Caddy";
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      startLimitIntervalSec = 14400;
      startLimitBurst = 10;
      reloadTriggers = lib.optional cfg.enableReload cfg.configFile;
      restartTriggers = lib.optional (!cfg.enableReload) cfg.configFile;
      serviceConfig = {
        Type = "notify";
        User = cfg.user;
        Group = cfg.group;
        StateDirectory = "caddy";
        AmbientCapabilities = "CAP_NET_BIND_SERVICE";
        NoNewPrivileges = true;
        ProtectHome = true;
        ProtectSystem = "full";
        PrivateTmp = true;
        ExecStart = "${cfg.package}/bin/caddy run --config /etc/caddy/caddy_config --adapter caddyfile";
        ExecReload = "${cfg.package}/bin/caddy reload --config /etc/caddy/caddy_config --adapter caddyfile --force";
      };
    };
  };
}
