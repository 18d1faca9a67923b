# The edge: the host's TLS proxy in front of the gateways, with a vhost for each instance that is switched on.
#   caddy    services.caddy, which gets its certificates itself
#   nginx    services.nginx with security.acme
#   gateway  entries of media.gateway, where the host has that module
#   none     whatever the host's owner puts there
{ config, lib, options, ... }:
let
  cfg = config.constellation.supabase;
  names = import ./__names.nix;

  mediaGateway = lib.hasAttrByPath [ "media" "gateway" "services" ] options;
  edge = if cfg.edge != null then cfg.edge else if mediaGateway then "gateway" else "caddy";
  own = edge == "caddy" || edge == "nginx";

  instances = map (name: import ./__instance.nix { inherit lib config options name; })
    (builtins.filter (name: names.valid name && cfg.instances.${name}.enable) (builtins.attrNames cfg.instances));
  perInstance = key: value: builtins.listToAttrs
    (map (instance: lib.nameValuePair (key instance) (value instance)) instances);
  vhosts = perInstance (instance: instance.host);
  gateway = instance: "127.0.0.1:${toString instance.settings.port}";

  # All other paths are Studio's. Matched on the decoded path without dots and double slashes, as the gateway does.
  api = "^/((auth|functions|graphql|realtime|rest|storage)/v1(/|$)|pg/|[.]well-known/)";
  authelia = lib.optionalString (cfg.authelia != null);

  caddy = {
    # Studio's own login is none of Authelia's business.
    login = authelia ''
      @dashboard not path_regexp ${api}
      forward_auth @dashboard ${cfg.authelia} {
        uri /api/authz/forward-auth
        header_up Host {upstream_hostport}
        header_up -Authorization
      }
    '';
    # A kept connection would be lost with the request on it when the gateway reads its keys again. Streams of all
    # instances would end whenever the vhosts change.
    proxy = instance: ''
      reverse_proxy ${gateway instance} {
        stream_close_delay 24h
        transport http {
          keepalive off
        }
      }
    '';
  };

  nginx = {
    # $remote_addr: what the client says of itself is not passed on. The name is the vhost's, whatever the request says.
    location = instance: extra: {
      proxyPass = "http://${gateway instance}";
      proxyWebsockets = true;
      recommendedProxySettings = false;
      extraConfig = ''
        proxy_set_header Host ${instance.host};
        proxy_set_header X-Forwarded-For $remote_addr;
      '' + extra;
    };
    login = instance: {
      proxyPass = "${cfg.authelia}/api/authz/auth-request";
      recommendedProxySettings = false;
      extraConfig = ''
        internal;
        proxy_pass_request_body off;
        proxy_set_header Content-Length "";
        proxy_set_header Authorization "";
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Original-Method $request_method;
        proxy_set_header X-Original-URL https://${instance.host}$request_uri;
      '';
    };
    vhost = instance: {
      enableACME = lib.mkDefault true;
      forceSSL = lib.mkDefault true;
      locations = {
        "/" = nginx.location instance (authelia ''
          auth_request /supabase-login;
          auth_request_set $supabase_login $upstream_http_location;
          error_page 401 =302 $supabase_login;
        '');
      } // lib.optionalAttrs (cfg.authelia != null) {
        "~ ${api}" = nginx.location instance "";
        "= /supabase-login" = nginx.login instance;
      };
      # Lines of a log would hold keys that clients send in the query.
      extraConfig = ''
        access_log off;
        error_log stderr alert;
        client_max_body_size 0;
        large_client_header_buffers 4 32k;
        proxy_request_buffering off;
        proxy_buffering off;
        proxy_read_timeout 1h;
        proxy_send_timeout 1h;
      '';
    };
  };

  web = config.services.nginx;
  ports = [ 80 443 ];
  onPorts = vhost:
    if vhost.listen == [ ] then web.defaultHTTPListenPort or 80 == 80 else lib.any (listen: lib.elem listen.port ports) vhost.listen;

  refuse = condition: message: { assertion = !condition; inherit message; };
  option = "constellation.supabase.edge";
in
{
  imports = [ ./__options.nix ];

  config = lib.mkIf cfg.enable (lib.mkMerge [
    {
      assertions = [
        (refuse (edge == "gateway" && !mediaGateway)
          "${option}: the host has no module media.gateway: choose caddy, nginx or none")
        (refuse (edge == "gateway" && mediaGateway && !config.media.gateway.enable)
          "${option}: media.gateway is not enabled: set media.gateway.enable = true, or choose caddy, nginx or none")
        (refuse (edge == "gateway" && mediaGateway && config.media.gateway.enable && config.media.gateway.domain != cfg.domain)
          "${option}: media.gateway serves ${config.media.gateway.domain or ""}, the instances' domain is ${cfg.domain}: set both alike, or choose caddy, nginx or none")
        (refuse (edge == "caddy" && web.enable && lib.any onPorts (builtins.attrValues web.virtualHosts))
          "${option}: services.nginx has the ports 80 and 443 that Caddy would need: choose nginx, which then serves the instances too, or none")
        (refuse (edge == "none" && cfg.authelia != null)
          "constellation.supabase.authelia: without an edge nobody asks it: leave it unset, or choose another edge")
      ];

      # Lines about failed requests would hold keys: in headers and in the query.
      services.caddy = lib.mkIf (edge == "caddy" || edge == "gateway") {
        enable = lib.mkIf (edge == "caddy") (lib.mkDefault true);
        email = lib.mkIf (edge == "caddy" && cfg.acmeEmail != null) (lib.mkDefault cfg.acmeEmail);
        logFormat = lib.mkDefault ''
          level ERROR
          format filter {
            wrap json
            fields {
              request>headers delete
              request>uri regexp [?].* ""
            }
          }
        '';
        virtualHosts = vhosts (instance: {
          logFormat = lib.mkDefault "output discard";
          extraConfig = caddy.login + lib.optionalString (edge == "caddy") (caddy.proxy instance);
        });
      };

      services.nginx = lib.mkIf (edge == "nginx") {
        enable = lib.mkDefault true;
        # Connections of other vhosts, and of other instances, stay.
        enableReload = lib.mkDefault true;
        virtualHosts = vhosts nginx.vhost;
      };
      security.acme.defaults.email = lib.mkIf (edge == "nginx" && cfg.acmeEmail != null) (lib.mkDefault cfg.acmeEmail);

      networking.firewall = lib.mkIf own {
        allowedTCPPorts = ports;
        # HTTP/3
        allowedUDPPorts = lib.mkIf (edge == "caddy") [ 443 ];
      };
    }
    (lib.optionalAttrs mediaGateway {
      media.gateway.services = lib.mkIf (edge == "gateway") (perInstance (instance: "supabase-${instance.name}") (instance: {
        enable = true;
        name = instance.settings.subdomain;
        host = "127.0.0.1";
        inherit (instance.settings) port;
        settings = {
          bypassAuth = true;
          cors = false;
        };
      }));
    })
  ]);
}
