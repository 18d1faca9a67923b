# What must hold before a system is built. Each message names the place and the next step.
{ lib, config, options }:
let
  cfg = config.constellation.supabase;
  numbers = lib.importJSON ./numbers.json;
  names = import ./__names.nix;
  services = builtins.attrValues (import ./__services.nix);
  secret = import ./__secret.nix { inherit lib config options; };
  postgresql = config.services.postgresql;

  # What follows from a wrong name is wrong too: such an instance gets this one message.
  wrong = builtins.filter (name: !names.valid name) (builtins.attrNames cfg.instances);
  instances = lib.mapAttrsToList (name: settings: settings // { inherit name; }) (removeAttrs cfg.instances wrong);
  each = check: lib.concatMap check instances;
  at = instance: "constellation.supabase.instances.${instance.name}";
  refuse = condition: message: { assertion = !condition; message = if condition then message else ""; };

  # [ { owner, value } ] -> a refusal for every value that has two owners
  unique = what: step: claims: lib.mapAttrsToList
    (value: owners: refuse (builtins.length owners > 1)
      "constellation.supabase: ${what} ${value} is claimed by ${lib.concatMapStringsSep " and " (c: c.owner) owners}: ${step}")
    (builtins.groupBy (claim: builtins.unsafeDiscardStringContext (toString claim.value)) claims);
  claim = of: each (instance: map (value: { owner = at instance; inherit value; }) (of instance));

  # What the services need, then whatever else the instance lists.
  references = instance: let needed = import ./__secrets-of.nix { inherit lib; settings = instance; };
  in needed ++ lib.subtractLists needed (lib.unique instance.secrets);
  # What only a person can give.
  given = instance: [ instance.smtpPassword instance.s3BackendKey ] ++ builtins.attrValues instance.secretEnvironment;
  missing = instance: s: "${at instance}: ${toString (secret.file s)} is missing: " + (
    if builtins.elem s (given instance)
    then "it is yours to give: encrypt it with agenix or age, then `just supabase-adopt ${instance.name}`"
    else "run pyinfra, which makes and sends it (`just supabase-adopt` if you encrypted it yourself)"
  ) + "; in a git flake also `git add -N -f` it";

  # Variables for services that do not exist or do not run.
  variables = instance: field: lib.mapAttrsToList
    (service: _: refuse (!(instance.services.${service} or false)) ("${at instance}.${field}.${service}: " + (
      if instance.services ? ${service}
      then "the service is off: switch services.${service} on, or remove this"
      else "there is no such service: choose one of ${lib.concatStringsSep ", " (builtins.attrNames instance.services)}"
    )))
    instance.${field};
  # The owner is among them, as the login of service meta.
  logins = instance:
    map (service: "supabase_${instance.name}${service.login}") (builtins.filter (service: service ? login) services)
    ++ lib.optional (instance.database.user != "supabase_${instance.name}") instance.database.user;

  internalEnd = numbers.base + numbers.span * numbers.slots - 1;
  count = builtins.length (builtins.attrNames cfg.instances);
  connections = 45 * cfg.capacity + 20;
  enabled = builtins.filter (instance: instance.enable) instances;
  memory = lib.foldl' (sum: instance: sum + instance.limits.memory) 0 enabled;
  containers = builtins.any (i: i.services.storage || i.services.realtime || i.services.meta || i.services.studio) enabled;
in
map
  (name: refuse true (
    if builtins.elem name names.instances
    then "${at { inherit name; }}: ${name} is a reserved name: rename the instance"
    else "${at { inherit name; }}: the name must match ${names.pattern} (it becomes part of users, units and roles): rename the instance"
  ))
  wrong
++ each (instance: [
  (refuse (instance.port >= numbers.base && instance.port <= internalEnd)
    "${at instance}.port: ${toString instance.port} lies among the internal ports ${toString numbers.base} to ${toString internalEnd}: choose one outside, or leave port unset")
  (refuse (!lib.hasPrefix "supabase_" instance.database.name)
    "${at instance}.database.name: ${instance.database.name} must start with supabase_ (postgres and the templates are PostgreSQL's own, other names other applications'): leave it unset, or write supabase_${instance.name}")
  (refuse (builtins.elem instance.database.user names.roles || lib.hasPrefix "pg_" instance.database.user)
    "${at instance}.database.user: ${instance.database.user} is a reserved role: leave it unset, or choose another name")
  (refuse (instance.storage.enable != null && instance.storage.enable != instance.services.storage)
    "${at instance}: storage.enable is ${lib.boolToString instance.storage.enable} and services.storage ${lib.boolToString instance.services.storage}: they are one switch, set both alike")
  (refuse (instance.services.studio && !instance.services.meta)
    "${at instance}.services.studio: Studio works through meta: switch services.meta on too, or studio off")
  (refuse (instance.services.imgproxy && !(instance.services.storage && instance.storage.backend == "file"))
    "${at instance}.services.imgproxy: it reads the files of storage: switch services.storage on with backend file, or leave this unset")
  (refuse (instance.services.storage && instance.storage.backend == "s3" && instance.storage.s3 == null)
    "${at instance}.storage.s3: backend s3 needs an object store: set endpoint, region and bucket, or choose backend file")
] ++ variables instance "environment" ++ variables instance "secretEnvironment")
++ unique "port" "give one of them another port"
  (claim (i: [ i.port ]) ++ [{ owner = "services.postgresql"; value = postgresql.settings.port or 5432; }])
++ unique "slot" "slots are written by the run (slots.json); by hand, choose a free one from 0 to ${toString (numbers.slots - 1)} and keep it for life"
  (claim (i: [ i.slot ]))
++ unique "subdomain" "give one of them another subdomain" (claim (i: [ i.subdomain ]))
++ unique "database" "give one of them another database.name" (claim (i: [ i.database.name ]))
++ unique "login" "give one of them another database.user" (claim logins)
++ unique "secret" "each value needs a secret of its own" (claim references)
++ each (instance: lib.optionals instance.enable (map
  (s:
    if !secret.managed s then
      refuse (lib.hasPrefix builtins.storeDir s)
        "${at instance}: secret ${s} is in the world-readable Nix store: give the path of a file that exists at run time only"
    else
      refuse (secret.agenix && !secret.present s) (missing instance s))
  (references instance)))
++ [
  (refuse (!secret.agenix && builtins.any (i: builtins.any secret.managed (references i)) enabled)
    "constellation.supabase: the secrets are named as agenix secrets, but agenix is not imported: add its module to imports (<agenix/modules/age.nix> with channels, inputs.agenix.nixosModules.default with flakes), or give absolute run-time paths (sops-nix)")
  (refuse (count > cfg.capacity)
    "constellation.supabase.capacity: ${toString count} instances, but PostgreSQL is sized for ${toString cfg.capacity}: raise capacity (restarts PostgreSQL), or delete an instance")
  (refuse (cfg.hostMemory != null && memory > cfg.hostMemory)
    "constellation.supabase.hostMemory: the instances may take ${toString memory} MiB together, the host gives them ${toString cfg.hostMemory}: lower limits.memory of some, switch one off, or raise hostMemory")
  (refuse (containers && config.virtualisation.oci-containers.backend != "podman")
    "virtualisation.oci-containers.backend: storage, realtime, meta and studio need podman, which can join the network of an instance: remove the setting, or switch these services off")
  (refuse (builtins.compareVersions postgresql.package.version "16" < 0)
    "constellation.supabase needs PostgreSQL 16 or newer, services.postgresql.package is ${postgresql.package.version}: upgrade the cluster with pg_upgrade, then set services.postgresql.package (a new major version alone starts with an empty cluster)")
  (refuse (postgresql.settings.max_connections < connections)
    "services.postgresql.settings.max_connections: ${toString postgresql.settings.max_connections} is less than the ${toString connections} that ${toString cfg.capacity} instances need: raise or remove it, or lower constellation.supabase.capacity")
  (refuse (postgresql.settings.wal_level != "logical")
    "services.postgresql.settings.wal_level: ${postgresql.settings.wal_level} must be logical for Realtime: remove the setting")
]
