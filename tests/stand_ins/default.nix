# Programs that cannot run on the test host, stood in for: each listens where the real one would, as its user, with its
# environment and secrets, in its network namespace. What is NixOS' part of a container is here as far as the units see it.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  own = final: prev:
    let stand-in = prev.writeShellScript "stand-in" ''exec /usr/bin/perl ${./stand_in.pl} "$@"''; in
    {
      inherit stand-in;
      gotrue-supabase = prev.runCommand "gotrue-supabase" { } "mkdir -p $out/bin; ln -s ${stand-in} $out/bin/auth";
      imgproxy = prev.runCommand "imgproxy" { } "mkdir -p $out/bin; ln -s ${stand-in} $out/bin/imgproxy";
    };
  pkgs = import <nixpkgs> { overlays = [ own ]; };
  any = default: type: mkOption { inherit default type; };
  value = flag: container: lib.concatMapStrings (lib.removePrefix flag) (builtins.filter (lib.hasPrefix flag) container.extraOptions);
in
{
  options.virtualisation.oci-containers = {
    backend = any "podman" types.str;
    containers = any { } (types.attrsOf (types.submodule { options = {
      serviceName = mkOption { type = types.str; };
      image = mkOption { type = types.str; };
      pull = mkOption { type = types.str; };
      user = mkOption { type = types.str; };
      environmentFiles = any [ ] (types.listOf types.str);
      volumes = any [ ] (types.listOf types.str);
      extraOptions = any [ ] (types.listOf types.str);
    }; }));
  };
  config = {
    _module.args.pkgs = lib.mkForce pkgs;
    systemd.services = lib.mapAttrs' (_: container: lib.nameValuePair container.serviceName {
      wantedBy = [ "multi-user.target" ];
      serviceConfig = {
        Type = "exec";
        User = "root";
        Restart = "always";
        # As podman: the variables are read by root, the program gets them as its own user, in its network.
        ExecStart = pkgs.writeShellScript container.serviceName ''
          for file in ${toString container.environmentFiles}; do
            while IFS= read -r line; do export "$line"; done < "$file"
          done
          network=${value "--network=" container} user=${container.user}
          inside=()
          case $network in ns:*) inside=(nsenter --net="''${network#ns:}") ;; esac
          exec "''${inside[@]}" setpriv --reuid="''${user%:*}" --regid="''${user#*:}" --clear-groups --no-new-privs \
            ${pkgs.stand-in} ${container.serviceName}
        '';
      };
      path = [ pkgs.util-linux ];
    }) config.virtualisation.oci-containers.containers;
  };
}
