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
  directory = "/var/lib/supabase/${name}";
  marker = "${directory}/database-ready";

  # Unit, user and group of a service have one name.
  unit = service: if service == "gateway" then "supabase-${name}" else "supabase-${name}-${service}";
  id = service: numbers.base + numbers.span * settings.slot + numbers.service.${service};
  runtimeDir = service: "/run/supabase/${name}/${service}";
  login = service: "supabase_${name}${services.${service}.login}";

  served = lib.filterAttrs
    (_: service: service ? unit && (!(service ? option) || settings.services.${service.option}))
    services;

  runtime = secret.runtime;
  # The .age files of secrets, with those of other generations that are listed: what a reload waits for.
  sources = current: secret.sources (lib.concatMap
    (s: [ s ] ++ builtins.filter (other: builtins.elem other settings.secrets) [ "${s}-next" "${s}-previous" ])
    current);
}
