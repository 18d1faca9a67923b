# The options of the edges, typed as in NixOS. media.gateway is the home repository's: a test declares it where it is there.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  text = mkOption { type = types.lines; default = ""; };
  flag = mkOption { type = types.bool; default = false; };
  name = mkOption { type = types.nullOr types.str; default = null; };
  ports = mkOption { type = types.listOf types.port; default = [ ]; };
  submodules = options: mkOption { type = types.attrsOf (types.submodule { inherit options; }); default = { }; };
in
{
  options = {
    networking.firewall = { allowedTCPPorts = ports; allowedUDPPorts = ports; };
    security.acme.defaults.email = name;
    services.caddy = {
      enable = flag;
      email = name;
      logFormat = mkOption { type = types.lines; default = "level ERROR"; };
      virtualHosts = submodules {
        logFormat = mkOption { type = types.nullOr types.lines; default = "output file /var/log/caddy/access.log"; };
        extraConfig = text;
      };
    };
    services.nginx = {
      enable = flag;
      enableReload = flag;
      virtualHosts = submodules {
        enableACME = flag;
        forceSSL = flag;
        listen = mkOption {
          default = [ ];
          type = types.listOf (types.submodule { options = {
            addr = mkOption { type = types.str; };
            port = mkOption { type = types.nullOr types.port; default = null; };
          }; });
        };
        extraConfig = text;
        locations = submodules {
          proxyPass = name;
          proxyWebsockets = flag;
          recommendedProxySettings = mkOption { type = types.bool; default = true; };
          extraConfig = text;
        };
      };
    };
  };
}
