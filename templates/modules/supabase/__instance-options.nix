# The options of one instance.
{ numbers }:
{ name, config, lib, ... }:
let
  inherit (lib) mkOption types;
  switch = description: mkOption { type = types.bool; default = true; inherit description; };
  matching = pattern: description: types.strMatching pattern // { inherit description; };

  # Starts with a letter or digit: never an option of a program, never a path that leaves the directory.
  secretType = matching "[A-Za-z0-9][A-Za-z0-9._-]*|/.+"
    "name of an agenix secret, or absolute path of a file that exists at run time (sops-nix)";
  secret = suffix: description: mkOption {
    type = secretType;
    default = "supabase-${name}-${suffix}";
    inherit description;
  };

  # Numbers of the upper half, which the run hands out last; a clash is named by the assertions.
  hash = (builtins.fromTOML "value = 0x${builtins.substring 0 8 (builtins.hashString "sha256" name)}").value;
  half = numbers.slots / 2;
in
{
  options = {
    enable = switch "Whether to run this instance. Switched off, its data, secrets and slot stay.";
    slot = mkOption {
      type = types.ints.between 0 (numbers.slots - 1);
      default = half + hash - hash / half * half;
      defaultText = lib.literalExpression "written by the run; by hand: from a hash of the name";
      description = "The number this instance holds for life on its host; ports and uids follow from it.";
    };
    subdomain = mkOption {
      type = matching "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?" "one DNS label in lower case";
      default = "supabase-${name}";
      description = "Name of the instance below the domain.";
    };
    port = mkOption {
      type = types.ints.between 1024 65535;
      default = numbers.publicBase + config.slot;
      defaultText = lib.literalExpression "8000 + slot";
      description = "Loopback port of the instance's gateway.";
    };
    logLevel = mkOption {
      type = types.enum [ "debug" "info" "warn" "error" ];
      default = "info";
      description = "How much the services of the instance log.";
    };
    database = {
      name = mkOption {
        type = matching "[a-z_][a-z0-9_]{0,62}" "PostgreSQL name of lower case letters, digits and _";
        default = "supabase_${name}";
        description = "Database of the instance; fixed at birth.";
      };
      user = mkOption {
        type = matching "[a-z_][a-z0-9_]{0,62}" "PostgreSQL name of lower case letters, digits and _";
        default = "supabase_${name}";
        description = "Login of the owner, or a further login that is a member of the owner; fixed at birth.";
      };
      createDatabase = switch "Whether the run creates the database.";
    };
    storage = {
      enable = switch "Whether to serve files: the same switch as services.storage.";
      bucket = mkOption {
        type = matching "[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]" "bucket name of 3 to 63 lower case letters, digits, . and -";
        default = "supabase-storage";
        description = "Default bucket.";
      };
    };
    services = {
      realtime = switch "Whether to serve realtime subscriptions.";
      auth = switch "Whether to serve authentication.";
      restApi = switch "Whether to serve the REST API.";
      storage = switch "Whether to serve files: the same switch as storage.enable.";
    };
    jwtSecret = secret "jwt" "The secret that signs the instance's tokens.";
    anonKey = secret "anon" "API key of role anon.";
    serviceKey = secret "service" "API key of role service_role.";
    databaseUrl = secret "db" "PostgreSQL URL of the owner; no service reads it.";
    secrets = mkOption {
      type = types.listOf secretType;
      default = [ config.jwtSecret config.anonKey config.serviceKey config.databaseUrl ];
      defaultText = lib.literalExpression "[ jwtSecret anonKey serviceKey databaseUrl ]";
      description = ''
        Every secret of the instance, those that wait for their turn (`-next`) or are still accepted
        (`-previous`) included. Beside a secret given as a path these two are read when they exist.
      '';
    };
  };
}
