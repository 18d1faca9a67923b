# systemd.services, timers, sockets, paths, slices, targets: unit files under /etc/systemd/system. Like NixOS, a service finds
# only the programs of its `path` and coreutils, findutils, grep, sed, systemd.
{ lib, config, pkgs, ... }:
let
  inherit (lib) mkOption types;
  # a list and single values merge to a list
  unitOption = lib.mkOptionType {
    name = "systemd option";
    merge = loc: defs: if lib.any (d: builtins.isList d.value) defs then lib.concatMap (d: lib.toList d.value) defs else lib.mergeEqualOption loc defs;
  };
  section = mkOption { type = types.attrsOf unitOption; default = { }; };
  strs = mkOption { type = types.listOf types.str; default = [ ]; };
  value = v: if builtins.isBool v then lib.boolToString v else "${if builtins.isInt v || builtins.isFloat v then toString v else v}";
  render = attrs: lib.concatStrings (lib.mapAttrsToList (k: v: if v == null then "" else lib.concatMapStrings (x: "${k}=${value x}\n") (lib.toList v)) attrs);
  # triggers are digested into one store path, so that a file's content counts, not its name
  triggers = kind: n: ts: if ts == [ ] then null else "${pkgs.writeText "${kind}-${lib.replaceStrings [ "@" "\\" ] [ "-" "-" ] n}" (lib.concatMapStringsSep " " (t: "${if builtins.isPath t || builtins.isString t || t ? outPath then t else builtins.toJSON t}") ts)}";
  common = {
    enable = mkOption { type = types.bool; default = true; };
    overrideStrategy = mkOption { type = types.enum [ "asDropinIfExists" "asDropin" ]; default = "asDropinIfExists"; };
    description = mkOption { type = types.singleLineStr; default = ""; };
    documentation = strs;
    after = strs;
    before = strs;
    wants = strs;
    requires = strs;
    requisite = strs;
    bindsTo = strs;
    partOf = strs;
    upholds = strs;
    conflicts = strs;
    onFailure = strs;
    onSuccess = strs;
    wantedBy = strs;
    requiredBy = strs;
    aliases = strs;
    unitConfig = section;
    startLimitIntervalSec = mkOption { type = types.nullOr types.int; default = null; };
    startLimitBurst = mkOption { type = types.nullOr types.int; default = null; };
    restartTriggers = mkOption { type = types.listOf types.unspecified; default = [ ]; };
    reloadTriggers = mkOption { type = types.listOf types.unspecified; default = [ ]; };
  };
  unitSection = n: u: "[Unit]\n" + render ({
    Description = if u.description == "" then null else u.description;
    Documentation = u.documentation;
    After = u.after;
    Before = u.before;
    Wants = u.wants;
    Requires = u.requires;
    Requisite = u.requisite;
    BindsTo = u.bindsTo;
    PartOf = u.partOf;
    Upholds = u.upholds;
    Conflicts = u.conflicts;
    OnFailure = u.onFailure;
    OnSuccess = u.onSuccess;
    StartLimitIntervalSec = u.startLimitIntervalSec;
    StartLimitBurst = u.startLimitBurst;
    "X-Restart-Triggers" = triggers "X-Restart-Triggers" n u.restartTriggers;
    "X-Reload-Triggers" = triggers "X-Reload-Triggers" n u.reloadTriggers;
  } // u.unitConfig);
  job = name: text: toString (pkgs.writeShellScript "unit-script-${lib.replaceStrings [ "@" "\\" ] [ "-" "-" ] name}" "set -e\n\n${text}");
  serviceModule = { name, config, ... }: {
    options = common // {
      serviceConfig = section;
      environment = mkOption { type = types.attrsOf (types.nullOr (types.oneOf [ types.str types.path types.package types.int ])); default = { }; };
      path = mkOption { type = types.listOf (types.oneOf [ types.package types.str ]); default = [ ]; };
      enableDefaultPath = mkOption { type = types.bool; default = true; };
      script = mkOption { type = types.lines; default = ""; };
      scriptArgs = mkOption { type = types.str; default = ""; };
      preStart = mkOption { type = types.lines; default = ""; };
      postStart = mkOption { type = types.lines; default = ""; };
      reload = mkOption { type = types.lines; default = ""; };
      preStop = mkOption { type = types.lines; default = ""; };
      postStop = mkOption { type = types.lines; default = ""; };
      startAt = mkOption { type = types.either types.str (types.listOf types.str); default = [ ]; };
      restartIfChanged = mkOption { type = types.bool; default = true; };
      reloadIfChanged = mkOption { type = types.bool; default = false; };
      stopIfChanged = mkOption { type = types.bool; default = true; };
      notSocketActivated = mkOption { type = types.bool; default = false; };
      enableStrictShellChecks = mkOption { type = types.bool; default = false; };
    };
    config = {
      path = lib.mkIf config.enableDefaultPath (lib.mkAfter (with pkgs; [ coreutils findutils gnugrep gnused systemd ]));
      environment.PATH = lib.mkDefault "${lib.makeBinPath config.path}:${lib.makeSearchPath "sbin" config.path}";
      serviceConfig = {
        ExecStart = lib.mkIf (config.script != "") (job "${name}-start" config.script + lib.optionalString (config.scriptArgs != "") " ${config.scriptArgs}");
        ExecStartPre = lib.mkIf (config.preStart != "") [ (job "${name}-pre-start" config.preStart) ];
        ExecStartPost = lib.mkIf (config.postStart != "") [ (job "${name}-post-start" config.postStart) ];
        ExecReload = lib.mkIf (config.reload != "") (job "${name}-reload" config.reload);
        ExecStop = lib.mkIf (config.preStop != "") (job "${name}-pre-stop" config.preStop);
        ExecStopPost = lib.mkIf (config.postStop != "") (job "${name}-post-stop" config.postStop);
      };
    };
  };
  service = n: u: unitSection n u + "\n[Service]\n"
    + lib.concatStrings (lib.mapAttrsToList (k: v: lib.optionalString (v != null) "Environment=${builtins.toJSON "${k}=${value v}"}\n") u.environment)
    + (if u.reloadIfChanged then "X-ReloadIfChanged=true\n" else lib.optionalString (!u.restartIfChanged) "X-RestartIfChanged=false\n")
    + lib.optionalString (!u.stopIfChanged) "X-StopIfChanged=false\n"
    + render u.serviceConfig;
  sub = extra: mkOption { type = types.attrsOf (types.submodule { options = common // extra; }); default = { }; };
  cfg = config.systemd;
  kinds = {
    service = { units = cfg.services; text = service; };
    timer = { units = cfg.timers; text = n: u: unitSection n u + "\n[Timer]\n" + render u.timerConfig; };
    socket = { units = cfg.sockets; text = n: u: unitSection n u + "\n[Socket]\n" + render ({ ListenStream = u.listenStreams; ListenDatagram = u.listenDatagrams; } // u.socketConfig); };
    path = { units = cfg.paths; text = n: u: unitSection n u + "\n[Path]\n" + render u.pathConfig; };
    slice = { units = cfg.slices; text = n: u: unitSection n u + "\n[Slice]\n" + render u.sliceConfig; };
    target = { units = cfg.targets; text = unitSection; };
  };
  rendered = lib.concatMapAttrs (kind: k: lib.mapAttrs' (n: u: lib.nameValuePair "${n}.${kind}" { inherit (u) enable wantedBy requiredBy aliases; text = k.text n u; }) k.units) kinds;
  units = lib.filterAttrs (_: u: u.enable) rendered;
  timed = lib.filterAttrs (_: s: s.enable && s.startAt != [ ] && s.startAt != "") cfg.services;
  # one store path for all unit files, since each build takes some 50 ms. A file has the name of its unit: systemd takes a link
  # to a file of another name for an alias
  directory = pkgs.runCommand "units" {
    text = lib.concatStrings (lib.mapAttrsToList (n: u: "cat > ${lib.escapeShellArg n} <<'END-OF-UNIT'\n${u.text}END-OF-UNIT\n") units);
  } "mkdir $out; cd $out; source $textPath";
  files = lib.mapAttrs (n: _: "${directory}/${n}") units;
  links = lib.concatMapAttrs (n: u:
    { "systemd/system/${n}".source = files.${n}; }
    // lib.listToAttrs (map (a: lib.nameValuePair "systemd/system/${a}" { source = files.${n}; }) u.aliases
      ++ map (w: lib.nameValuePair "systemd/system/${w}.wants/${n}" { source = files.${n}; }) u.wantedBy
      ++ map (w: lib.nameValuePair "systemd/system/${w}.requires/${n}" { source = files.${n}; }) u.requiredBy)) units;
  tmpfile = path: type: a: "${type} ${path} ${a.mode or "-"} ${a.user or "-"} ${a.group or "-"} ${a.age or "-"} ${a.argument or ""}";
in
{
  options.systemd = {
    package = mkOption { type = types.package; default = pkgs.systemd; };
    services = mkOption { type = types.attrsOf (types.submodule serviceModule); default = { }; };
    timers = sub { timerConfig = section; };
    sockets = sub { socketConfig = section; listenStreams = strs; listenDatagrams = strs; };
    paths = sub { pathConfig = section; };
    slices = sub { sliceConfig = section; };
    targets = sub { };
    units = mkOption { type = types.attrsOf types.unspecified; default = { }; };
    tmpfiles.rules = strs;
    tmpfiles.settings = mkOption { type = types.attrsOf (types.attrsOf (types.attrsOf types.attrs)); default = { }; };
  };
  config = {
    systemd.timers = lib.mapAttrs (_: s: { wantedBy = [ "timers.target" ]; timerConfig.OnCalendar = s.startAt; }) timed;
    systemd.units = units;
    environment.etc = links // {
      "tmpfiles.d/00-nixos.conf".text = lib.concatLines (cfg.tmpfiles.rules
        ++ lib.concatLists (lib.concatMap (paths: lib.mapAttrsToList (path: entries: lib.mapAttrsToList (tmpfile path) entries) paths) (lib.attrValues cfg.tmpfiles.settings)));
    };
    assertions = lib.concatLists (lib.mapAttrsToList (n: s: [
      {
        assertion = lib.elem (s.serviceConfig.Type or "simple") [ "simple" "exec" "forking" "oneshot" "dbus" "notify" "notify-reload" "idle" ];
        message = "Service '${n}.service' has an invalid Type.";
      }
      {
        assertion = lib.elem (s.serviceConfig.Restart or "no") [ "no" "on-success" "on-failure" "on-abnormal" "on-abort" "on-watchdog" "always" ];
        message = "Service '${n}.service' has an invalid Restart.";
      }
    ]) cfg.services);
  };
}
