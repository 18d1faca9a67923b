# virtualisation.oci-containers with podman: the unit of a container as NixOS makes it, as far as other definitions meet it.
# There is no registry and no podman here: `pkgs.podman` is whatever a test puts at /usr/local/bin/podman.
{ lib, config, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.virtualisation.oci-containers;
  text = mkOption { type = types.nullOr types.str; default = null; };
  strings = mkOption { type = types.listOf types.str; default = [ ]; };
  flag = default: mkOption { type = types.bool; inherit default; };
  service = name: c: lib.nameValuePair c.serviceName {
    wantedBy = lib.optional c.autoStart "multi-user.target";
    serviceConfig = {
      Type = "notify";
      NotifyAccess = "all";
      Restart = "always";
      RuntimeDirectory = name;
      TimeoutStartSec = 0;
      TimeoutStopSec = 120;
      ExecStart = lib.escapeShellArgs ([ "${pkgs.podman}/bin/podman" "run" "--name=${name}" "--rm" "--replace" "--sdnotify=conmon" "-d" ]
        ++ lib.concatLists (lib.mapAttrsToList (key: value: [ "-e" "${key}=${value}" ]) c.environment)
        ++ lib.concatMap (file: [ "--env-file" "${file}" ]) c.environmentFiles
        ++ lib.optionals (c.user != null) [ "-u" c.user ]
        ++ lib.concatMap (volume: [ "-v" volume ]) c.volumes
        ++ [ "--pull" c.pull ] ++ c.extraOptions ++ [ c.image ] ++ c.cmd);
    };
  };
in
{
  options.virtualisation.oci-containers = {
    backend = mkOption { type = types.enum [ "podman" "docker" ]; default = "podman"; };
    containers = mkOption {
      default = { };
      type = types.attrsOf (types.submodule ({ name, ... }: {
        options = {
          image = mkOption { type = types.str; };
          serviceName = mkOption { type = types.str; default = "podman-${name}"; };
          pull = mkOption { type = types.enum [ "always" "missing" "never" "newer" ]; default = "missing"; };
          user = text;
          cmd = strings;
          volumes = strings;
          extraOptions = strings;
          environment = mkOption { type = types.attrsOf types.str; default = { }; };
          environmentFiles = mkOption { type = types.listOf types.path; default = [ ]; };
          autoStart = flag true;
        };
      }));
    };
  };
  config.systemd.services = lib.mapAttrs' service cfg.containers;
}
