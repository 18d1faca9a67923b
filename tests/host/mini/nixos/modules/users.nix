# users.users and users.groups: made by systemd-sysusers from a file of this generation; users, groups and memberships that an
# earlier generation declared and this one does not are removed, as NixOS does.
{ lib, config, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.users;
  short = kind: n: if builtins.stringLength n > 31 then abort "${kind} '${n}' is longer than 31 characters which is not allowed!" else n;
  shell = u: if u.shell == null then "/usr/sbin/nologin" else if lib.isDerivation u.shell then lib.getExe u.shell else toString u.shell;
  users = lib.attrValues cfg.users;
  groups = lib.attrValues cfg.groups;
  id = v: if v == null then "-" else toString v;
  members = lib.sort builtins.lessThan (lib.unique (
    lib.concatMap (u: map (g: "${u.name} ${g}") u.extraGroups) users ++ lib.concatMap (g: map (u: "${u} ${g.name}") g.members) groups));
  sysusers = pkgs.writeText "users.conf" (lib.concatLines (
    map (g: "g ${short "Group name" g.name} ${id g.gid}") groups
    ++ map (u: "u ${short "Username" u.name} ${id u.uid}:${u.group} ${builtins.toJSON u.description} ${u.home} ${shell u}") users
    ++ map (m: "m ${m}") members));
  declared = pkgs.writeText "declared" (lib.concatLines (map (u: "user ${u.name}") users ++ map (m: "member ${m}") members ++ map (g: "group ${g.name}") groups));
  keys = lib.filter (u: u.openssh.authorizedKeys.keys != [ ]) users;
in
{
  options.users = {
    mutableUsers = mkOption { type = types.bool; default = true; };
    users = mkOption {
      default = { };
      type = types.attrsOf (types.submodule ({ name, config, ... }: {
        options = {
          enable = mkOption { type = types.bool; default = true; };
          name = mkOption { type = types.passwdEntry types.str; default = name; };
          isSystemUser = mkOption { type = types.bool; default = false; };
          isNormalUser = mkOption { type = types.bool; default = false; };
          uid = mkOption { type = types.nullOr types.int; default = null; };
          group = mkOption { type = types.str; default = ""; };
          extraGroups = mkOption { type = types.listOf types.str; default = [ ]; };
          home = mkOption { type = types.path; default = "/var/empty"; };
          homeMode = mkOption { type = types.strMatching "[0-7]{1,5}"; default = "700"; };
          createHome = mkOption { type = types.bool; default = false; };
          linger = mkOption { type = types.nullOr types.bool; default = null; };
          description = mkOption { type = types.passwdEntry types.str; default = ""; };
          shell = mkOption { type = types.nullOr (types.either types.package types.path); default = "/usr/sbin/nologin"; };
          hashedPassword = mkOption { type = types.nullOr types.str; default = null; };
          hashedPasswordFile = mkOption { type = types.nullOr types.str; default = null; };
          packages = mkOption { type = types.listOf types.package; default = [ ]; };
          openssh.authorizedKeys.keys = mkOption { type = types.listOf types.singleLineStr; default = [ ]; };
        };
        config = lib.mkIf config.isNormalUser {
          group = lib.mkDefault "users";
          home = lib.mkDefault "/home/${name}";
          createHome = lib.mkDefault true;
          shell = lib.mkDefault "/bin/bash";
        };
      }));
    };
    groups = mkOption {
      default = { };
      type = types.attrsOf (types.submodule ({ name, ... }: {
        options = {
          name = mkOption { type = types.passwdEntry types.str; default = name; };
          gid = mkOption { type = types.nullOr types.int; default = null; };
          members = mkOption { type = types.listOf (types.passwdEntry types.str); default = [ ]; };
        };
      }));
    };
  };
  config = {
    users.groups = { keys.gid = 96; users.gid = 100; nogroup.gid = 65534; };
    environment.etc = lib.listToAttrs (map (u: lib.nameValuePair "ssh/authorized_keys.d/${u.name}" { text = lib.concatLines u.openssh.authorizedKeys.keys; mode = "0444"; }) keys);
    system.activationScripts = {
      users = {
        deps = [ "specialfs" ];
        text = ''
          systemd-sysusers ${sysusers} > /dev/null
          mkdir -p /var/lib/nixos
          if [ -e /var/lib/nixos/declared ]; then
            # a user or group of the distribution stays
            grep -vxFf ${declared} /var/lib/nixos/declared | while read -r kind name group; do
              case $kind in
                user) grep -qxF "user $name" /etc/mini-nixpkgs/distribution-users || { echo "removing user ‘$name’"; userdel "$name"; } ;;
                member) gpasswd -d "$name" "$group" > /dev/null ;;
                group) grep -qxF "group $name" /etc/mini-nixpkgs/distribution-users || ! getent group "$name" > /dev/null || { echo "removing group ‘$name’"; groupdel "$name"; } ;;
              esac
            done || true
          fi
          cp -f ${declared} /var/lib/nixos/declared
          ${lib.concatMapStrings (u: lib.optionalString u.createHome ''
            [ -d ${u.home} ] || install -d -m ${u.homeMode} -o ${u.name} -g ${u.group} ${u.home}
          '') users}
        '';
      };
      groups = { deps = [ "users" ]; text = ""; };
    };
    assertions = lib.concatMap (u: [
      { assertion = u.isSystemUser != u.isNormalUser; message = "Exactly one of users.users.${u.name}.isSystemUser and users.users.${u.name}.isNormalUser must be set."; }
      { assertion = u.group != ""; message = "users.users.${u.name}.group is unset. This used to default to nogroup, but this is unsafe."; }
    ]) users
    ++ map (ids: { assertion = lib.allUnique (lib.filter (v: v != null) ids); message = "UIDs and GIDs must be unique!"; }) [ (map (u: u.uid) users) (map (g: g.gid) groups) ];
  };
}
