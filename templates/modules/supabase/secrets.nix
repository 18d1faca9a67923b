# The secrets as agenix knows them, and the check that all of them open on this host.
{ config, lib, options, pkgs, ... }:
let
  cfg = config.constellation.supabase;
  secret = import ./__secret.nix { inherit lib config options; };
  running = builtins.filter (instance: instance.enable) (builtins.attrValues cfg.instances);
  wanted = builtins.filter secret.managed (lib.unique (lib.concatMap
    (instance: import ./__secrets-of.nix { inherit lib; settings = instance; } ++ instance.secrets)
    running));

  # agenix removes the previous generation even when a new secret does not open: so all are tried before a switch,
  # those of others too.
  opens = lib.optionalString secret.agenix ''
    identities=() failed=0
    for identity in ${lib.escapeShellArgs config.age.identityPaths}; do
      if [ -r "$identity" ] && [ -s "$identity" ]; then identities+=(-i "$identity"); fi
    done
    try() {
      if ! LC_ALL=C ${config.age.ageBin} --decrypt "''${identities[@]}" "$2" > /dev/null 2>&1; then
        printf '%s: does not open with %s\n' "$1" ${lib.escapeShellArg (toString config.age.identityPaths)} >&2
        failed=1
      fi
    }
    ${lib.concatStringsSep "\n" (lib.mapAttrsToList
      (name: declared: "try ${lib.escapeShellArg name} ${lib.escapeShellArg "${declared.file}"}")
      config.age.secrets)}
    exit "$failed"
  '';
in
{
  imports = [ ./__options.nix ];

  config = lib.mkIf cfg.enable (lib.mkMerge [
    { environment.etc."supabase/check-secrets".source = pkgs.writeShellScript "supabase-check-secrets" opens; }
    (lib.optionalAttrs secret.agenix {
      age.secrets = lib.genAttrs wanted (name: { file = lib.mkDefault (secret.source name); });
    })
  ]);
}
