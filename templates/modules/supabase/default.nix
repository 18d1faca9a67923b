# Supabase instances on this host. `pyinfra inventory.py deploy.py` writes host.json, instances/ and secrets/
# beside this file; configuration.nix imports the directory.
{ config, lib, options, pkgs, ... }:
let
  cfg = config.constellation.supabase;
  tree = import ./__tree.nix { inherit lib; };
  # Single values, so that a definition in Nix overrides one and leaves the others.
  defaults = lib.mapAttrs (_: value: if builtins.isAttrs value then defaults value else lib.mkDefault value);
in
{
  imports = [ ./__options.nix ./__edge.nix ./instance.nix ./secrets.nix ];

  config = lib.mkMerge [
    { constellation.supabase = defaults tree.host // { instances = lib.mapAttrs (_: defaults) tree.instances; }; }
    (lib.mkIf cfg.enable {
      assertions = import ./__checks.nix { inherit lib config options; };
      services.postgresql = import ./__postgresql.nix { inherit lib; inherit (cfg) capacity; };
      systemd.services.supabase-way-back-boot = import ./__way-back.nix;
      environment.etc = {
        # Of the services that bring their databases forward.
        "supabase/versions".text = "auth ${pkgs.gotrue-supabase.version}\n" + lib.concatLines (lib.mapAttrsToList
          (service: image: "${service} ${image.version}") (lib.getAttrs [ "realtime" "storage" ] (lib.importJSON ./images.json)));
        "supabase/revision".text = builtins.toJSON tree.revision;
        "supabase/source".source = tree.source;
      };
    })
  ];
}
