# Evaluates the module as a host's configuration would, and gives what the tests look at.
#   lib       nixpkgs' lib, or the test host's
#   agenix    agenix' module, or null when the host does not import it
#   modules   what the host imports; configuration: a file with the rest of its configuration
#   programs  a directory of packages; identity: the key agenix decrypts with
{ lib, agenix, modules, configuration, programs, identity }:
let
  lib' = import lib;
  pkgs = import ./pkgs.nix { inherit programs; };
  inherit (lib'.evalModules {
    modules = [ ./stubs.nix ./edge-stubs.nix { _module.args.pkgs = pkgs; } configuration ]
      ++ modules
      ++ (if agenix == null then [ ] else [ agenix { age.identityPaths = [ identity ]; } ]);
  }) config;
  failed = builtins.filter (a: !a.assertion) config.assertions;
in
{
  # Refuses like NixOS: before anything else of the system is looked at.
  failed = map (a: a.message) failed;
  enabled = config.constellation.supabase.enable;
  instances = if failed != [ ] then null else config.constellation.supabase.instances;
  system =
    if failed != [ ] then null
    else {
      units = import ./units.nix { lib = lib'; inherit pkgs; } config.systemd;
      users = lib'.mapAttrs (_: u: { inherit (u) name uid group isSystemUser; }) config.users.users;
      containers = config.virtualisation.oci-containers.containers;
      groups = lib'.mapAttrs (_: g: g.gid) config.users.groups;
      tmpfiles = config.systemd.tmpfiles.rules;
      etc = lib'.mapAttrs (_: e: "${e.source}") config.environment.etc;
      revision = config.environment.etc."supabase/revision".text or null;
      postgresql = { inherit (config.services.postgresql) enable settings authentication identMap; };
      edge = {
        inherit (config.services) caddy nginx;
        inherit (config.security) acme;
        inherit (config.networking) firewall;
        gateway = config.media.gateway.services or null;
      };
      age = if agenix == null then null else lib'.mapAttrs (_: s: { file = "${s.file}"; inherit (s) path mode owner; }) config.age.secrets;
    };
}
