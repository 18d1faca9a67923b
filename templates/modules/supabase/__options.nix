# The options of constellation.supabase. A module of its own, so that default.nix, instance.nix and secrets.nix
# can each be imported alone.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  tree = import ./__tree.nix { inherit lib; };
  numbers = lib.importJSON ./numbers.json;
  label = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?";
in
{
  options.constellation.supabase = {
    enable = mkOption {
      type = types.bool;
      default = tree.instances != { };
      defaultText = lib.literalExpression "true when instances/ holds an instance";
      description = "Whether to serve the Supabase instances of this host.";
    };
    domain = mkOption {
      type = types.strMatching "${label}([.]${label})*";
      default = "localhost";
      example = "example.org";
      description = "An instance is reached as `<subdomain>.<domain>`.";
    };
    capacity = mkOption {
      type = types.ints.between 1 numbers.slots;
      default = 10;
      description = ''
        How many instances the host's PostgreSQL is sized for (connections, replication slots).
        A change restarts PostgreSQL.
      '';
    };
    secretsDir = mkOption {
      type = types.path;
      default = ./secrets;
      description = "Directory of the age-encrypted secrets, `<secret>.age`.";
    };
    instances = mkOption {
      type = types.attrsOf (types.submodule (import ./__instance-options.nix { inherit numbers; }));
      default = { };
      description = ''
        The Supabase instances of this host. Those of `instances/*.json` are there already, as defaults: a
        definition in Nix overrides single values or adds an instance.
      '';
    };
  };
}
