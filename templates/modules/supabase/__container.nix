# What the services that come as images have in common: podman runs each as its own user, in the instance's slice and, unless
# it needs a way out, in the instance's network namespace. An image is never pulled here: the run does that before a switch.
#   environment  public variables, in the store
#   secrets      what the secret variables are composed of; they are read at the start only, so a new one restarts
#   write        shell text for __compose.nix that sets them by `add KEY VALUE`
#   volumes      paths that are the same inside
#   needs        units it cannot run without
#   migrates     whether it brings its part of the database forward when it starts
{ lib, pkgs, instance }:
{ service
, description
, environment
, secrets
, write
, volumes ? [ ]
, namespaced ? true
, needs ? [ ]
, migrates ? false
}:
let
  id = toString (instance.id service);
  run = instance.runtimeDir service;
  secretEnvironment = instance.secretEnvironment service;
  required = needs
    ++ lib.optional namespaced instance.namespaceUnit
    ++ lib.optional (instance.served.${service} ? login) "postgresql.target";

  image = (lib.importJSON ./images.json).${service};

  # podman takes a line as it stands: nothing is quoted, and there is no way to write a line break.
  line = key: value:
    if lib.hasInfix "\n" value
    then throw "constellation.supabase.instances.${instance.name}.environment: ${key} of ${service} must be one line"
    else "${key}=${value}";
  public = pkgs.writeText "${instance.unit service}.env"
    (lib.concatLines (lib.mapAttrsToList line (environment // instance.environment service)));

  compose = import ./__compose.nix { inherit pkgs instance; } {
    inherit service;
    file = "env";
    owner = "root";
    write = ''
      add() { composed+="$1=$2"$'\n'; }
      # As RuntimeDirectory the container has another one, and not every NixOS takes two.
      install -d -m 0700 ${run}
      ${write}
    '' + lib.optionalString (secretEnvironment != null) ''
      read_secret ${lib.escapeShellArg (instance.runtime secretEnvironment)}
      composed+=$(< ${lib.escapeShellArg (instance.runtime secretEnvironment)})$'\n'
    '';
  };
in
{
  container = {
    serviceName = instance.unit service;
    inherit (image) image;
    pull = "never";
    user = "${id}:${id}";
    # Of equal names the last wins, and the administrator's secret variables stand last.
    environmentFiles = [ "${public}" "${run}/env" ];
    volumes = map (path: "${path}:${path}") volumes;
    extraOptions = [
      "--network=${if namespaced then "ns:${instance.namespace}" else "host"}"
      "--cgroup-parent=${instance.slice}"
      # With memory of its own at /tmp, /var/tmp and /run.
      "--read-only"
      "--cap-drop=all"
      "--security-opt=no-new-privileges"
    ];
  };

  # Beside what NixOS makes of the container.
  unit = {
    description = "Supabase instance ${instance.name}: ${description}";
    requires = required;
    after = lib.unique (required ++ [ "postgresql.target" ]);
    unitConfig = { ConditionPathExists = instance.marker; StartLimitIntervalSec = 0; };
    stopIfChanged = false;
    restartTriggers = instance.sources (secrets ++ lib.optional (secretEnvironment != null) secretEnvironment);
    serviceConfig = {
      ExecStartPre = [ "${compose}" ];
      # What is composed goes with the service, as a RuntimeDirectory would.
      ExecStopPost = [ "-${pkgs.coreutils}/bin/rm -rf ${run}" ];
      Slice = instance.slice;
      RestartSec = 2;
    } // lib.optionalAttrs migrates {
      ExecCondition = import ./__migrates.nix { inherit pkgs instance; } { inherit service; inherit (image) version; };
    };
  };
}
