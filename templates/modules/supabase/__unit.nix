# What the native units of all services have in common.
#   reloads            secrets that ExecReload composes again
#   restarts           secrets that are read at the start only
#   secretEnvironment  the administrator's secret of variables, unless the service reads it itself
#   namespaced         whether the service lives in the instance's network namespace
#   needs              units it cannot run without
{ lib, instance }:
{ service
, description
, serviceConfig
, environment ? { }
, reloads ? [ ]
, restarts ? [ ]
, secretEnvironment ? instance.secretEnvironment service
, namespaced ? false
, needs ? [ ]
}:
let
  # What does not use the database must not require it either: a request that starts the gateway through its socket while
  # PostgreSQL is stopped for a switch would start the old one again.
  required = needs
    ++ lib.optional namespaced instance.namespaceUnit
    ++ lib.optional (instance.served.${service} ? login) "postgresql.target";
in
{
  description = "Supabase instance ${instance.name}: ${description}";
  wantedBy = [ "multi-user.target" ];
  requires = required;
  after = lib.unique (required ++ [ "postgresql.target" "network.target" ]);
  unitConfig = {
    # A first switch comes before the database; a reboot needs no run.
    ConditionPathExists = instance.marker;
    # Keeps trying: a database that starts slowly must not leave the instance down for good.
    StartLimitIntervalSec = 0;
  };
  # Restarted after the activation, not stopped before it: a shorter gap, and the gateway's socket stays open.
  stopIfChanged = false;
  # systemd would replace %x in a value.
  environment = lib.mapAttrs (_: lib.replaceStrings [ "%" ] [ "%%" ]) (environment // instance.environment service);
  # A new ciphertext is composed and read again, without a restart where the service can.
  reloadTriggers = instance.sources reloads;
  restartTriggers = instance.sources (restarts ++ lib.optional (secretEnvironment != null) secretEnvironment);
  serviceConfig = import ./__hardening.nix // {
    Type = "exec";
    User = instance.unit service;
    Group = instance.unit service;
    Slice = instance.slice;
    RuntimeDirectory = "supabase/${instance.name}/${service}";
    RuntimeDirectoryMode = "0750";
    Restart = "always";
    RestartSec = 2;
  }
  // lib.optionalAttrs namespaced { NetworkNamespacePath = instance.namespace; }
  // lib.optionalAttrs (secretEnvironment != null) { EnvironmentFile = instance.runtime secretEnvironment; }
  // serviceConfig;
}
