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
      # Not the instances alone: when the last one goes, PostgreSQL must still be there to drop its database.
      default = tree.host != { } || tree.instances != { };
      defaultText = lib.literalExpression "true when a run has brought host.json or an instance";
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
    hostMemory = mkOption {
      type = types.nullOr types.ints.positive;
      default = null;
      description = ''
        MiB of memory that the instances may take together: the sum of `limits.memory` of those that are enabled must not
        be more. `null`: not checked.
      '';
    };
    edge = mkOption {
      type = types.nullOr (types.enum [ "caddy" "nginx" "gateway" "none" ]);
      default = null;
      description = ''
        What serves the instances' domains with TLS: a virtual host of `services.caddy` or `services.nginx` for each, an entry
        of `media.gateway.services` for each (`gateway`), or nothing (`none`), when the gateways' loopback ports are served by
        other means. `null`: `gateway` where the host has that module, else `caddy`.
      '';
    };
    acmeEmail = mkOption {
      type = types.nullOr (types.strMatching "[^@[:space:]]+@[^@[:space:]]+");
      default = null;
      description = "Address that the certificate authority writes to, for edge `caddy` and `nginx`.";
    };
    authelia = mkOption {
      type = types.nullOr (types.strMatching "https?://[^[:space:]/\"]+");
      default = null;
      example = "http://127.0.0.1:9091";
      description = ''
        Address of an Authelia of this host. The edge then asks it before it lets anybody to Studio, whose own password stays.
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
