# realtime: websockets, and what is sent to channels by HTTP. The first label of Host is the tenant: the instance.
{ instance, ... }:
let
  realtime = "127.0.0.1:${toString instance.ports.realtime}";
  tenant = "set $upstream_host ${instance.name}.supabase-realtime;";
in
{
  maps = ''
    map $http_upgrade $websocket { default ""; "~*^websocket$" websocket; }
    map $websocket $websocket_connection { default close; websocket upgrade; }
  '';
  routes = { checkKey, checkServiceKey, forbidden, notFound, pass, ... }: ''
    location = /realtime/v1 { ${notFound} }
    location = /realtime/v1/api { ${notFound} }
    location ^~ /realtime/v1/ {
      ${checkKey}
      ${tenant}
      # The key is for the connection; a login comes in each channel's messages.
      set $x_api_key $key;
      set $login $http_authorization;
      set $upstream_upgrade $websocket;
      set $upstream_connection $websocket_connection;
      # Clients send a heartbeat every 25 s.
      proxy_read_timeout 1h;
      proxy_send_timeout 1h;
      ${pass { prefix = "/realtime/v1"; to = "${realtime}/socket/"; }}
    }
    location ^~ /realtime/v1/api/ {
      ${checkKey}
      ${tenant}
      ${pass { prefix = "/realtime/v1/api"; to = "${realtime}/api/"; }}
    }
    # Who reaches these could change the tenant.
    location ^~ /realtime/v1/api/tenants { ${forbidden "Tenants are managed by the host"} }
    location ^~ /realtime/v1/api/openapi { ${forbidden "The management API is not served"} }
    # Health, for the host.
    location = /realtime/v1/health {
      ${checkServiceKey "Health"}
      ${tenant}
      ${pass { to = "${realtime}/api/tenants/${instance.name}/health"; }}
    }
    location = /realtime/v1/healthcheck {
      ${checkServiceKey "Health"}
      ${tenant}
      ${pass { to = "${realtime}/healthcheck"; }}
    }
  '';
}
