# gateway: nginx, the only entrance of an instance. systemd holds its public socket, outside the network namespace it lives
# in: a restart loses no request.
{ lib, pkgs, instance, parts, ... }:
let
  inherit (instance) settings;
  run = instance.runtimeDir "gateway";
  socket = "supabase-${instance.name}-${toString settings.port}";
  conf = pkgs.writeText "supabase-${instance.name}-gateway.conf" (import ./__gateway-conf.nix {
    inherit lib instance;
    routed = map (part: part.gateway) (builtins.filter (part: part ? gateway) (builtins.attrValues parts));
  });
  nginx = "${pkgs.nginx}/bin/nginx -e stderr -p ${run} -c ${conf}";

  keys = import ./__gateway-keys.nix { inherit lib pkgs instance; };
  compose = map (script: "+${script}") keys.scripts;
in
{
  unit = import ./__unit.nix { inherit lib instance; } {
    service = "gateway";
    description = "gateway";
    namespaced = true;
    needs = [ "${socket}.socket" ];
    reloads = keys.secrets;
    serviceConfig = {
      ExecStartPre = compose ++ [ "${nginx} -t -q" ];
      # nginx finds in this variable the listeners it inherits: systemd hands the socket over as file 3.
      ExecStart = "${pkgs.coreutils}/bin/env NGINX=3: ${nginx}";
      # A key list nginx cannot read leaves the running one in force.
      ExecReload = compose ++ [ "${nginx} -t -q" "${pkgs.coreutils}/bin/kill -HUP $MAINPID" ];
      # Ends after the requests in flight.
      KillMode = "mixed";
      KillSignal = "SIGQUIT";
      TimeoutStopSec = 10;
      LimitNOFILE = 65536;
      RestrictAddressFamilies = [ "AF_UNIX" "AF_INET" ];
      # The services' sockets are open to their group.
      SupplementaryGroups = map instance.unit (builtins.attrNames (lib.filterAttrs (_: part: part ? socket) parts));
    };
  };

  # Named by its port: NixOS leaves a running socket as it is when only its text changes.
  sockets.${socket} = {
    description = "Supabase instance ${instance.name}: gateway";
    wantedBy = [ "sockets.target" ];
    unitConfig.ConditionPathExists = instance.marker;
    listenStreams = [ "127.0.0.1:${toString settings.port}" ];
    socketConfig = { Service = "${instance.unit "gateway"}.service"; Slice = instance.slice; };
  };
}
