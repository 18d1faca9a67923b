# What the units of all services have in common. `secrets`: those the unit's runtime material is composed of.
{ instance, service, description, secrets, environment ? { }, serviceConfig }:
{
  inherit environment;
  description = "Supabase instance ${instance.name}: ${description}";
  wantedBy = [ "multi-user.target" ];
  requires = [ "postgresql.target" ];
  after = [ "postgresql.target" "network.target" ];
  unitConfig = {
    # A first switch comes before the database; a reboot needs no run.
    ConditionPathExists = instance.marker;
    # Keeps trying: a database that starts slowly must not leave the instance down for good.
    StartLimitIntervalSec = 0;
  };
  # A new ciphertext is composed and read again, without a restart.
  reloadTriggers = instance.sources secrets;
  serviceConfig = import ./__hardening.nix // {
    Type = "exec";
    User = instance.unit service;
    Group = instance.unit service;
    Slice = "supabase-${instance.name}.slice";
    RuntimeDirectory = "supabase/${instance.name}/${service}";
    RuntimeDirectoryMode = "0750";
    Restart = "always";
    RestartSec = 2;
  } // serviceConfig;
}
