# Where a secret of an instance is: its .age file and, decrypted, its file at run time.
{ lib, config, options }:
let
  cfg = config.constellation.supabase;
in
rec {
  agenix = lib.hasAttrByPath [ "age" "secrets" ] options;

  # An absolute path is a file somebody else puts there (sops-nix).
  managed = secret: !lib.hasPrefix "/" secret;
  file = secret: cfg.secretsDir + "/${secret}.age";
  present = secret: builtins.pathExists (file secret);

  # Addressed by the content of this one file, also when secretsDir is part of a flake: a unit that names it
  # changes exactly when the ciphertext changes.
  source = secret: builtins.path { name = "${secret}.age"; path = file secret; };
  sources = secrets: map source (builtins.filter (s: managed s && present s) secrets);

  runtime = secret: if managed secret then config.age.secrets.${secret}.path or "/run/agenix/${secret}" else secret;
}
