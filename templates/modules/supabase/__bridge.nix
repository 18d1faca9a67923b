# A way out of an instance's network namespace to one address of the host: a socket inside, systemd-socket-proxyd outside.
#   port     where it is found inside
#   to       where it leads, as systemd-socket-proxyd has it: ADDRESS:PORT or the path of a Unix socket
#   service  as whose user: PostgreSQL's peer authentication sees this one
{ lib, pkgs, config, instance }:
name:
{ description, port, to, service }:
let
  unit = "supabase-${instance.name}-${name}";
  local = lib.hasPrefix "/" to;
  common = {
    description = "Supabase instance ${instance.name}: ${description}";
    wantedBy = [ "multi-user.target" ];
  };
in
{
  sockets.${unit} = common // {
    requires = [ instance.namespaceUnit ];
    after = [ instance.namespaceUnit ];
    before = [ "shutdown.target" ];
    conflicts = [ "shutdown.target" ];
    unitConfig = {
      ConditionPathExists = instance.marker;
      # It comes after a service, and systemd would start it before all services.
      DefaultDependencies = false;
    };
    listenStreams = [ "127.0.0.1:${toString port}" ];
    socketConfig = { NetworkNamespacePath = instance.namespace; Slice = instance.slice; };
  };
  services.${unit} = common // {
    requires = [ "${unit}.socket" ];
    after = [ "${unit}.socket" "network.target" ];
    unitConfig.ConditionPathExists = instance.marker;
    stopIfChanged = false;
    serviceConfig = import ./__hardening.nix // {
      Type = "notify";
      User = instance.unit service;
      Group = instance.unit service;
      Slice = instance.slice;
      ExecStart = "${config.systemd.package or pkgs.systemd}/lib/systemd/systemd-socket-proxyd ${to}";
      PrivateNetwork = local;
      RestrictAddressFamilies = [ "AF_UNIX" ] ++ lib.optional (!local) "AF_INET";
      Restart = "always";
      RestartSec = 2;
    };
  };
}
