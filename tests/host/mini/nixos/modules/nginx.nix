{ lib, config, pkgs, ... }:
let
  inherit (lib) mkOption mkEnableOption types;
  cfg = config.services.nginx;
  flag = mkOption { type = types.bool; default = false; };
  location = n: l: ''
    location ${n} {
      ${lib.optionalString (l.proxyPass != null) "proxy_pass ${l.proxyPass};"}
      ${lib.optionalString l.proxyWebsockets "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;"}
      ${lib.optionalString (l.root != null) "root ${l.root};"}
      ${lib.optionalString (l.return != null) "return ${toString l.return};"}
      ${l.extraConfig}
    }
  '';
  names = v: "server_name ${toString ([ v.serverName ] ++ v.serverAliases)};";
  listen = v: addr: port: parameters: "listen ${addr}:${toString port}${parameters}${lib.optionalString v.default " default_server"};\n";
  # without a certificate a vhost that asks for TLS is served on port 80 only: there is no ACME here
  tls = v: (v.forceSSL || v.addSSL || v.onlySSL) && v.sslCertificate != null;
  listens = v:
    if v.listen != [ ] then lib.concatMapStrings (l: listen v l.addr l.port (lib.optionalString l.ssl " ssl")) v.listen
    else if tls v then listen v "0.0.0.0" 443 " ssl http2" + lib.optionalString v.addSSL (listen v "0.0.0.0" 80 "")
    else listen v "0.0.0.0" 80 "";
  redirect = v: lib.optionalString (tls v && v.forceSSL) ''
    server {
      ${listen v "0.0.0.0" 80 ""}
      ${names v}
      location / { return 301 https://$host$request_uri; }
    }
  '';
  server = v: redirect v + ''
    server {
      ${listens v}
      ${names v}
      ${lib.optionalString (tls v) "ssl_certificate ${v.sslCertificate}; ssl_certificate_key ${v.sslCertificateKey};"}
      ${lib.optionalString (v.root != null) "root ${v.root};"}
      ${lib.concatStrings (lib.mapAttrsToList location v.locations)}
      ${v.extraConfig}
    }
  '';
  file = pkgs.writeText "nginx.conf" ''
    pid /run/nginx/nginx.pid;
    error_log stderr;
    daemon off;
    events { }
    http {
      include ${pkgs.mailcap}/etc/nginx/mime.types;
      default_type application/octet-stream;
      access_log off;
      client_max_body_size 10m;
      map $http_upgrade $connection_upgrade { default upgrade; "" close; }
      ${lib.concatStrings (lib.mapAttrsToList (n: u: "upstream ${n} {\n${lib.concatMapStrings (s: "server ${s};\n") (lib.attrNames u.servers)}${u.extraConfig}\n}\n") cfg.upstreams)}
      ${cfg.commonHttpConfig}
      ${cfg.appendHttpConfig}
      ${lib.concatMapStrings server (lib.attrValues cfg.virtualHosts)}
    }
    ${cfg.appendConfig}
  '';
in
{
  options.services.nginx = {
    enable = mkEnableOption "Nginx Web Server";
    package = mkOption { type = types.package; default = pkgs.nginx; };
    user = mkOption { type = types.str; default = "nginx"; };
    group = mkOption { type = types.str; default = "nginx"; };
    enableReload = flag;
    recommendedProxySettings = flag;
    recommendedTlsSettings = flag;
    recommendedGzipSettings = flag;
    recommendedOptimisation = flag;
    commonHttpConfig = mkOption { type = types.lines; default = ""; };
    appendHttpConfig = mkOption { type = types.lines; default = ""; };
    appendConfig = mkOption { type = types.lines; default = ""; };
    upstreams = mkOption {
      default = { };
      type = types.attrsOf (types.submodule { options = {
        servers = mkOption { type = types.attrsOf types.attrs; default = { }; };
        extraConfig = mkOption { type = types.lines; default = ""; };
      }; });
    };
    virtualHosts = mkOption {
      default = { };
      type = types.attrsOf (types.submodule ({ name, ... }: {
        options = {
          serverName = mkOption { type = types.str; default = name; };
          serverAliases = mkOption { type = types.listOf types.str; default = [ ]; };
          default = flag;
          forceSSL = flag;
          addSSL = flag;
          onlySSL = flag;
          enableACME = flag;
          sslCertificate = mkOption { type = types.nullOr types.path; default = null; };
          sslCertificateKey = mkOption { type = types.nullOr types.path; default = null; };
          useACMEHost = mkOption { type = types.nullOr types.str; default = null; };
          root = mkOption { type = types.nullOr types.path; default = null; };
          extraConfig = mkOption { type = types.lines; default = ""; };
          listen = mkOption {
            default = [ ];
            type = types.listOf (types.submodule { options = {
              addr = mkOption { type = types.str; };
              port = mkOption { type = types.port; default = 80; };
              ssl = flag;
            }; });
          };
          locations = mkOption {
            default = { };
            type = types.attrsOf (types.submodule { options = {
              proxyPass = mkOption { type = types.nullOr types.str; default = null; };
              proxyWebsockets = flag;
              recommendedProxySettings = flag;
              root = mkOption { type = types.nullOr types.path; default = null; };
              return = mkOption { type = types.nullOr (types.either types.str types.int); default = null; };
              extraConfig = mkOption { type = types.lines; default = ""; };
            }; });
          };
        };
      }));
    };
  };
  config = lib.mkIf cfg.enable {
    users.users.${cfg.user} = { isSystemUser = true; group = cfg.group; };
    users.groups.${cfg.group} = { };
    environment.etc."nginx/nginx.conf" = lib.mkIf cfg.enableReload { source = file; };
    systemd.services.nginx = {
      description = "Nginx Web Server";
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      stopIfChanged = false;
      reloadTriggers = lib.optional cfg.enableReload file;
      serviceConfig = {
        User = cfg.user;
        Group = cfg.group;
        RuntimeDirectory = "nginx";
        RuntimeDirectoryMode = "0750";
        LogsDirectory = "nginx";
        CacheDirectory = "nginx";
        Restart = "always";
        RestartSec = "10s";
        AmbientCapabilities = [ "CAP_NET_BIND_SERVICE" ];
        NoNewPrivileges = true;
        ProtectSystem = "strict";
        ProtectHome = true;
        PrivateTmp = true;
        ReadWritePaths = [ "/var/lib/nginx" ];
        BindPaths = [ "/var/cache/nginx:/var/lib/nginx" ];
        ExecStart = "${cfg.package}/bin/nginx -e stderr -c ${if cfg.enableReload then "/etc/nginx/nginx.conf" else file}";
        ExecReload = [ "${cfg.package}/bin/nginx -e stderr -c ${if cfg.enableReload then "/etc/nginx/nginx.conf" else file} -t" "${pkgs.coreutils}/bin/kill -HUP $MAINPID" ];
      };
    };
  };
}
