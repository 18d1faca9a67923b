# What the units of one instance know of it: names, numbers, paths.
{ lib, config, options, name }:
let
  cfg = config.constellation.supabase;
  numbers = lib.importJSON ./numbers.json;
  services = import ./__services.nix;
  settings = cfg.instances.${name};
  secret = import ./__secret.nix { inherit lib config options; };
in
rec {
  inherit name settings;
  host = "${settings.subdomain}.${cfg.domain}";
  url = "https://${host}";
  directory = "/var/lib/supabase/${name}";
  marker = "${directory}/database-ready";
  # The files of storage's backend `file`: read by imgproxy too, under the same path.
  files = "${directory}/storage";

  # Unit, user and group of a service have one name.
  unit = service: if service == "gateway" then "supabase-${name}" else "supabase-${name}-${service}";
  # Uid, gid and, for what stands outside the namespace, loopback port.
  id = service: numbers.base + numbers.span * settings.slot + numbers.service.${service};
  slice = "supabase-${name}.slice";
  runtimeDir = service: "/run/supabase/${name}/${service}";
  login = service: "supabase_${name}${services.${service}.login}";
  databasePort = config.services.postgresql.settings.port or 5432;

  # A network of its own, without a way out; ports: who listens where in it.
  namespace = "/run/netns/supabase-${name}";
  namespaceUnit = "supabase-${name}-net.service";
  ports = import ./__ports.nix;

  served = lib.filterAttrs (_: service: !(service ? option) || settings.services.${service.option}) services;

  # What the host's administrator adds to a service's environment.
  environment = service: settings.environment.${services.${service}.option or ""} or { };
  secretEnvironment = service: settings.secretEnvironment.${services.${service}.option or ""} or null;

  runtime = secret.runtime;
  # The .age files of secrets, with those of other generations that are listed: what a reload waits for.
  sources = current: secret.sources (lib.concatMap
    (s: [ s ] ++ builtins.filter (other: builtins.elem other settings.secrets) [ "${s}-next" "${s}-previous" ])
    current);
}
