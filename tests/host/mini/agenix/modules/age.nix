# age.secrets with agenix' options and behaviour on Linux: each activation decrypts into a new generation below
# secretsMountPoint (a ramfs), then moves the link secretsDir to it and removes the generation before. A secret that does not
# open is absent, the rest goes on, and activation ends with status 1.
{ lib, config, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.age;
  users = config.users.users;
  secrets = lib.attrValues cfg.secrets;
  target = s: if s.symlink then "${cfg.secretsMountPoint}/$generation/${s.name}" else s.path;
  elsewhere = s: s.path != "${cfg.secretsDir}/${s.name}";
  open = s: ''
    to="${target s}"
    echo "decrypting '${s.file}' to '$to'..."
    mkdir -p "''${to%/*}"
    ${lib.optionalString (elsewhere s) "mkdir -p \"$(dirname '${s.path}')\""}
    (umask 0377; ${cfg.ageBin} --decrypt "''${identities[@]}" -o "$to.tmp" '${s.file}')
    chmod ${s.mode} "$to.tmp"
    mv -f "$to.tmp" "$to"
    ${lib.optionalString (s.symlink && elsewhere s) "ln -sfT '${cfg.secretsDir}/${s.name}' '${s.path}'"}
  '';
in
{
  options.age = {
    ageBin = mkOption { type = types.str; default = "${pkgs.age}/bin/age"; };
    secretsDir = mkOption { type = types.path; default = "/run/agenix"; };
    secretsMountPoint = mkOption { type = types.strMatching "(.*[^/[:space:]])"; default = "/run/agenix.d"; };
    identityPaths = mkOption {
      type = types.listOf types.path;
      default = lib.optionals config.services.openssh.enable
        (map (k: k.path) (lib.filter (k: k.type == "rsa" || k.type == "ed25519") config.services.openssh.hostKeys));
    };
    secrets = mkOption {
      default = { };
      type = types.attrsOf (types.submodule ({ name, config, ... }: {
        options = {
          name = mkOption { type = types.str; default = name; };
          file = mkOption { type = types.path; };
          path = mkOption { type = types.str; default = "${cfg.secretsDir}/${config.name}"; };
          mode = mkOption { type = types.str; default = "0400"; };
          owner = mkOption { type = types.str; default = "0"; };
          group = mkOption { type = types.str; default = users.${config.owner}.group or "0"; };
          symlink = mkOption { type = types.bool; default = true; };
        };
      }));
    };
  };
  config = lib.mkIf (cfg.secrets != { }) {
    assertions = [ { assertion = cfg.identityPaths != [ ]; message = "age.identityPaths must be set, for example by enabling openssh."; } ];
    system.activationScripts = {
      agenixNewGeneration = {
        deps = [ "specialfs" ];
        text = ''
          generation=$(basename "$(readlink ${cfg.secretsDir})" || echo 0)
          generation=$((generation + 1))
          echo "[agenix] creating new generation in ${cfg.secretsMountPoint}/$generation"
          mkdir -p ${cfg.secretsMountPoint}
          chmod 0751 ${cfg.secretsMountPoint}
          grep -q "${cfg.secretsMountPoint} ramfs" /proc/mounts || mount -t ramfs none ${cfg.secretsMountPoint} -o nodev,nosuid,mode=0751
          mkdir -p "${cfg.secretsMountPoint}/$generation"
          chmod 0751 "${cfg.secretsMountPoint}/$generation"
        '';
      };
      agenixInstall = {
        deps = [ "agenixNewGeneration" "specialfs" ];
        text = ''
          echo '[agenix] decrypting secrets...'
          identities=()
          for identity in ${toString cfg.identityPaths}; do
            if [ -s "$identity" ]; then identities+=(-i "$identity"); else echo "[agenix] WARNING: config.age.identityPaths entry $identity not present!"; fi
          done
          if [ ''${#identities[@]} = 0 ]; then echo "[agenix] WARNING: no readable identities found!"; fi
          ${lib.concatMapStrings open secrets}
          echo "[agenix] symlinking new secrets to ${cfg.secretsDir} (generation $generation)..."
          ln -sfT "${cfg.secretsMountPoint}/$generation" ${cfg.secretsDir}
          if [ "$generation" -gt 1 ]; then
            echo "[agenix] removing old secrets (generation $((generation - 1)))..."
            rm -rf "${cfg.secretsMountPoint}/$((generation - 1))"
          fi
        '';
      };
      users.deps = [ "agenixInstall" ];
      agenixChown = {
        deps = [ "users" "groups" ];
        text = ''
          echo '[agenix] chowning...'
          chown :keys ${cfg.secretsMountPoint} "${cfg.secretsMountPoint}/$generation"
          ${lib.concatMapStrings (s: "chown ${s.owner}:${s.group} \"${target s}\"\n") secrets}
        '';
      };
      agenix = { deps = [ "agenixChown" ]; text = ""; };
    };
  };
}
