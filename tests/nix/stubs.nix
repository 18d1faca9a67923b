# The NixOS options the module touches, typed as in NixOS. Not NixOS: it says nothing about what NixOS does with them.
{ lib, config, pkgs, ... }:
let
  inherit (lib) mkOption types;
  strings = mkOption { type = types.listOf types.str; default = [ ]; };
  # nixos/lib/systemd-unit-options.nix: values of one definition, several only when they are lists
  value = types.oneOf [ types.bool types.int types.float types.str types.path ];
  section = mkOption { type = types.attrsOf (types.either value (types.listOf value)); default = { }; };
  unit = {
    enable = mkOption { type = types.bool; default = true; };
    description = mkOption { type = types.str; default = ""; };
    after = strings;
    requires = strings;
    wants = strings;
    partOf = strings;
    wantedBy = strings;
    unitConfig = section;
    restartTriggers = mkOption { type = types.listOf types.unspecified; default = [ ]; };
    reloadTriggers = mkOption { type = types.listOf types.unspecified; default = [ ]; };
  };
  submodules = options: mkOption { type = types.attrsOf (types.submodule { inherit options; }); default = { }; };
  setting = types.oneOf [ types.bool types.float types.int types.str ];
  # NixOS ends the evaluation with these words
  unixName = name: if builtins.stringLength name <= 31 then name else
    abort "Username '${name}' is longer than 31 characters which is not allowed!";
in
{
  options = {
    assertions = mkOption { type = types.listOf types.unspecified; default = [ ]; };
    warnings = mkOption { type = types.listOf types.str; default = [ ]; };
    environment.etc = mkOption {
      default = { };
      type = types.attrsOf (types.submodule ({ name, config, ... }: {
        options = {
          text = mkOption { type = types.nullOr types.lines; default = null; };
          source = mkOption { type = types.path; };
        };
        config.source = lib.mkIf (config.text != null) (lib.mkDefault (pkgs.writeText (baseNameOf name) config.text));
      }));
    };
    users.users = mkOption {
      default = { };
      type = types.attrsOf (types.submodule ({ name, ... }: { options = {
        name = mkOption { type = types.str; default = name; apply = unixName; };
        uid = mkOption { type = types.nullOr types.int; default = null; };
        isSystemUser = mkOption { type = types.bool; default = false; };
        group = mkOption { type = types.str; default = ""; };
        extraGroups = strings;
        description = mkOption { type = types.str; default = ""; };
      }; }));
    };
    users.groups = submodules {
      gid = mkOption { type = types.nullOr types.int; default = null; };
      members = strings;
    };
    systemd.services = submodules (unit // {
      environment = mkOption { type = types.attrsOf (types.nullOr (types.oneOf [ types.str types.path types.package ])); default = { }; };
      serviceConfig = section;
    });
    systemd.slices = submodules (unit // { sliceConfig = section; });
    systemd.tmpfiles.rules = strings;
    services.openssh = mkOption { type = types.attrsOf types.unspecified; default = { enable = false; }; };
    services.postgresql = {
      enable = mkOption { type = types.bool; default = false; };
      package = mkOption { type = types.package; default = pkgs.postgresql; };
      authentication = mkOption { type = types.lines; default = ""; };
      identMap = mkOption { type = types.lines; default = ""; };
      settings = mkOption {
        default = { };
        type = types.submodule {
          freeformType = types.attrsOf setting;
          options.port = mkOption { type = types.port; default = 5432; };
        };
      };
    };
    system.activationScripts = mkOption { type = types.attrsOf types.unspecified; default = { }; };
    systemd.sysusers.enable = mkOption { type = types.bool; default = false; };
    services.userborn.enable = mkOption { type = types.bool; default = false; };
  };
  config.services.postgresql.authentication = lib.mkAfter ''
    local all postgres         peer map=postgres
    local all all              peer
    host  all all 127.0.0.1/32 md5
    host  all all ::1/128      md5
  '';
}
