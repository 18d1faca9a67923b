# Users, slice and units of each instance.
{ config, lib, options, pkgs, ... }:
let
  cfg = config.constellation.supabase;
  names = import ./__names.nix;
  numbers = lib.importJSON ./numbers.json;

  # A wrong name is left to the assertions: as a Unix user it would end the evaluation without their message.
  instances = map (name: import ./__instance.nix { inherit lib config options name; })
    (builtins.filter names.valid (builtins.attrNames cfg.instances));
  running = builtins.filter (instance: instance.settings.enable) instances;

  # What the services of an instance are made of, each of these or none:
  #   unit         its systemd service
  #   container    what virtualisation.oci-containers makes into that service
  #   sockets      sockets of systemd, by unit
  #   bridges      arguments of __bridge.nix by name
  #   directories  lines of tmpfiles.d
  #   gateway      its routes and the maps they need; the gateway is made of the parts of all others
  parts = instance: let
    made = lib.mapAttrs (_: service: import service.unit { inherit lib pkgs config instance; parts = made; }) instance.served;
  in made;
  made = map (instance: { inherit instance; parts = parts instance; }) running;

  # The attribute `kind` of every part that has it, as `of instance service value`.
  each = kind: of: lib.concatMap
    ({ instance, parts }: lib.mapAttrsToList (service: part: of instance service part.${kind})
      (lib.filterAttrs (_: part: part ? ${kind}) parts))
    made;
  named = instance: service: value: { ${instance.unit service} = value; };
  bridges = lib.concatLists (each "bridges" (instance: _: lib.mapAttrsToList
    (import ./__bridge.nix { inherit lib pkgs config instance; })));

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
      ++ map (instance: "d ${instance.directory} 0755 root root -") instances
      ++ lib.concatLists (each "directories" (_: _: lines: lines));

    systemd.slices = builtins.listToAttrs (map
      ({ name, settings, id, ports, ... }: {
        name = "supabase-${name}";
        value = {
          description = "Supabase instance ${name}";
          sliceConfig = lib.mapAttrs (_: lib.mkDefault) {
            MemoryHigh = "${toString (settings.limits.memory * 3 / 4)}M";
            MemoryMax = "${toString settings.limits.memory}M";
            TasksMax = settings.limits.tasks;
            # Nobody takes the loopback port of another instance's auth or storage while that restarts.
            SocketBindAllow = map (port: "tcp:${toString port}") [ ports.gateway (id "auth") (id "storage") ];
            SocketBindDeny = "tcp:${toString numbers.base}-${toString (numbers.base + numbers.span * numbers.slots - 1)}";
          };
        };
      })
      running);

    systemd.services = lib.mkMerge (
      each "unit" named
      ++ map (bridge: bridge.services) bridges
      ++ map (instance: { "supabase-${instance.name}-net" = import ./__net.nix { inherit pkgs instance; }; }) running
    );
    systemd.sockets = lib.mkMerge (each "sockets" (_: _: sockets: sockets) ++ map (bridge: bridge.sockets) bridges);
    virtualisation.oci-containers.containers = lib.mkMerge (each "container" named);
    # What the run pulls before it switches to this system.
    environment.etc."supabase/images".text = lib.concatLines (lib.unique (each "container"
      (instance: service: _: config.virtualisation.oci-containers.containers.${instance.unit service}.image)));
  };
}
