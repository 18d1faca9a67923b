# The options alone: no podman here, so an instance whose services come as images cannot run.
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.virtualisation.oci-containers = {
    backend = mkOption { type = types.enum [ "podman" "docker" ]; default = "podman"; };
    containers = mkOption { type = types.attrsOf types.unspecified; default = { }; };
  };
}
