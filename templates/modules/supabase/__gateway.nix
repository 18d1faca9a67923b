# gateway: nginx, the only entrance of an instance.
{ lib, pkgs, config, instance, parts }:
let
  inherit (instance) settings;
  run = instance.runtimeDir "gateway";
  routed = lib.filterAttrs (_: part: part ? gateway) parts;
  conf = pkgs.writeText "supabase-${instance.name}-gateway.conf" (import ./__gateway-conf.nix {
    inherit lib instance;
    routed = map (part: part.gateway) (builtins.attrValues routed);
  });
  nginx = "${pkgs.nginx}/bin/nginx -e stderr -p ${run} -c ${conf}";

  roles = { anon = settings.anonKey; service_role = settings.serviceKey; };

  # Lines of an nginx map. Regular expressions, because plain strings of a map ignore case.
  compose = import ./__compose.nix { inherit pkgs instance; } {
    service = "gateway";
    file = "keys.conf";
    write = ''
      add_key() {
        [[ $secret =~ ^[A-Za-z0-9._-]+$ ]] || refuse "$file" "is not an API key: only letters, digits, dot, dash, underscore"
        composed+="\"~^''${secret//./[.]}\$\" $1;"$'\n'
      }
      ${lib.concatStringsSep "\n" (lib.mapAttrsToList
        (role: key: "each_generation ${lib.escapeShellArg (instance.runtime key)} add_key ${role}")
        roles)}
    '';
  };
in
{
  unit = import ./__unit.nix {
    inherit instance;
    secrets = builtins.attrValues roles;
    service = "gateway";
    description = "gateway";
    serviceConfig = {
      ExecStartPre = [ "+${compose}" "${nginx} -t -q" ];
      ExecStart = nginx;
      # A key list nginx cannot read leaves the running one in force.
      ExecReload = [ "+${compose}" "${nginx} -t -q" "${pkgs.coreutils}/bin/kill -HUP $MAINPID" ];
      # Ends after the requests in flight.
      KillMode = "mixed";
      KillSignal = "SIGQUIT";
      TimeoutStopSec = 10;
      LimitNOFILE = 8192;
      RestrictAddressFamilies = [ "AF_UNIX" "AF_INET" ];
      # The services' sockets are open to their group.
      SupplementaryGroups = map instance.unit (builtins.attrNames routed);
    };
  };
}
