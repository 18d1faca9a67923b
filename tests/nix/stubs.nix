# The NixOS options the module touches, typed as in NixOS. Not NixOS: it says nothing about what NixOS does with them.
{ lib, config, pkgs, ... }:
let
  inherit (lib) mkOption types;
  flag = default: mkOption { type = types.bool; inherit default; };
  strings = mkOption { type = types.listOf types.str; default = [ ]; };
  # nixos/lib/systemd-unit-options.nix: values of one definition, several only when they are lists
  value = types.oneOf [ types.bool types.int types.float types.str types.path ];
  section = mkOption { type = types.attrsOf (types.either value (types.listOf value)); default = { }; };
  unit = {
    enable = flag true;
    description = mkOption { type = types.str; default = ""; };
    after = strings;
    before = strings;
    requires = strings;
    wants = strings;
    partOf = strings;
    conflicts = strings;
    wantedBy = strings;
    unitConfig = section;
    restartTriggers = mkOption { type = types.listOf types.unspecified; default = [ ]; };
    reloadTriggers = mkOption { type = types.listOf types.unspecified; default = [ ]; };
  };
  text = mkOption { type = types.nullOr types.str; default = null; };
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
        isSystemUser = flag false;
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
      restartIfChanged = flag true;
      stopIfChanged = flag true;
    });
    systemd.sockets = submodules (unit // { socketConfig = section; listenStreams = strings; });
    systemd.package = mkOption { type = types.package; default = pkgs.systemd; };
    systemd.slices = submodules (unit // { sliceConfig = section; });
    systemd.tmpfiles.rules = strings;
    virtualisation.oci-containers = {
      backend = mkOption { type = types.enum [ "podman" "docker" ]; default = "podman"; };
      containers = mkOption {
        default = { };
        type = types.attrsOf (types.submodule { options = {
          image = mkOption { type = types.str; };
          serviceName = mkOption { type = types.str; };
          pull = mkOption { type = types.enum [ "always" "missing" "never" "newer" ]; default = "missing"; };
          user = text;
          hostname = text;
          entrypoint = text;
          workdir = text;
          cmd = strings;
          volumes = strings;
          extraOptions = strings;
          networks = strings;
          environment = mkOption { type = types.attrsOf types.str; default = { }; };
          environmentFiles = mkOption { type = types.listOf types.path; default = [ ]; };
          labels = mkOption { type = types.attrsOf types.str; default = { }; };
          capabilities = mkOption { type = types.lazyAttrsOf (types.nullOr types.bool); default = { }; };
          log-driver = mkOption { type = types.str; default = "journald"; };
          autoRemoveOnStop = flag true;
          autoStart = flag true;
        }; });
      };
    };
    services.openssh = mkOption { type = types.attrsOf types.unspecified; default = { enable = false; }; };
    services.postgresql = {
      enable = flag false;
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
    systemd.sysusers.enable = flag false;
    services.userborn.enable = flag false;
  };
  # Of the unit that runs a container only what another definition may meet.
  config.systemd.services = lib.mapAttrs'
    (name: container: lib.nameValuePair container.serviceName {
      wantedBy = [ "multi-user.target" ];
      serviceConfig = {
        Type = "notify";
        NotifyAccess = "all";
        User = "root";
        Restart = "always";
        RuntimeDirectory = name;
        TimeoutStartSec = 0;
        TimeoutStopSec = 120;
        ExecStartPre = [ "${pkgs.coreutils}/bin/true" ];
        # NixOS has this line in a script of the store: any part of it changes the unit.
        ExecStart = toString ([ "${pkgs.podman}/bin/podman" "run" "--name=${name}" ]
          ++ lib.mapAttrsToList (key: value: "-e ${key}=${value}") container.environment
          ++ map (file: "--env-file ${file}") container.environmentFiles
          ++ [ "-u ${toString container.user}" ]
          ++ map (volume: "-v ${volume}") container.volumes
          ++ [ "--pull ${container.pull}" ] ++ container.extraOptions ++ [ container.image ] ++ container.cmd);
      };
    })
    config.virtualisation.oci-containers.containers;
  config.services.postgresql.authentication = lib.mkAfter ''
    local all postgres         peer map=postgres
    local all all              peer
    host  all all 127.0.0.1/32 md5
    host  all all ::1/128      md5
  '';
}
