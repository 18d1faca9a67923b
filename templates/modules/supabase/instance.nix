# Users, slice and units of each instance.
{ config, lib, options, pkgs, ... }:
let
  cfg = config.constellation.supabase;
  names = import ./__names.nix;

  # A wrong name is left to the assertions: as a Unix user it would end the evaluation without their message.
  instances = map (name: import ./__instance.nix { inherit lib config options name; })
    (builtins.filter names.valid (builtins.attrNames cfg.instances));
  running = builtins.filter (instance: instance.settings.enable) instances;

  # The gateway is made of the parts of all others.
  parts = instance: let
    made = lib.mapAttrs (_: service: import service.unit { inherit lib pkgs config instance; parts = made; }) instance.served;
  in made;

  # [ { name, value } ] of every service of these instances
  perService = of: instances: builtins.listToAttrs (lib.concatMap
    (instance: map (service: { name = instance.unit service; value = of instance service; })
      (builtins.attrNames instance.served))
    instances);
in
{
  imports = [ ./__options.nix ];

  config = lib.mkIf cfg.enable {
    # Users of an instance that is switched off stay: its files keep their owners.
    users.users = perService
      (instance: service: {
        isSystemUser = true;
        uid = instance.id service;
        group = instance.unit service;
        description = "Supabase instance ${instance.name}, ${service}";
      })
      instances;
    users.groups = perService (instance: service: { gid = instance.id service; }) instances;

    # root's: a service must not be able to set its own marker
    systemd.tmpfiles.rules = [ "d /var/lib/supabase 0755 root root -" ]
      ++ map (instance: "d ${instance.directory} 0755 root root -") instances;

    systemd.slices = builtins.listToAttrs (map
      (instance: {
        name = "supabase-${instance.name}";
        value = {
          description = "Supabase instance ${instance.name}";
          sliceConfig = lib.mapAttrs (_: lib.mkDefault) { MemoryHigh = "1536M"; MemoryMax = "2G"; TasksMax = 1024; };
        };
      })
      running);

    systemd.services = lib.mkMerge (map
      (instance: lib.mapAttrs' (service: part: lib.nameValuePair (instance.unit service) part.unit) (parts instance))
      running);
  };
}
