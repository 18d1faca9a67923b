# systemd unit files of a configuration, as NixOS writes them (nixos/lib/systemd-lib.nix).
{ lib, pkgs }: systemd:
let
  show = value: if builtins.isBool value then lib.boolToString value else toString value;
  lines = attrs: lib.concatStrings (lib.mapAttrsToList
    (key: value: lib.concatMapStrings (v: "${key}=${show v}\n") (if builtins.isList value then value else [ value ]))
    attrs);
  present = lib.filterAttrs (_: value: value != [ ] && value != "");
  # As in NixOS a line that names one file with all triggers
  triggers = name: kind: list: lib.optionalAttrs (list != [ ]) {
    "X-${kind}-Triggers" = pkgs.writeText "X-${kind}-Triggers-${name}" (toString list);
  };
  unit = name: u: "[Unit]\n" + lines (present {
    Description = u.description;
    After = toString u.after;
    Before = toString u.before;
    Conflicts = toString u.conflicts;
    Requires = toString u.requires;
    Wants = toString u.wants;
    PartOf = toString u.partOf;
  } // u.unitConfig // triggers name "Restart" u.restartTriggers // triggers name "Reload" u.reloadTriggers);
  install = u: lib.optionalString (u.wantedBy != [ ]) "\n[Install]\nWantedBy=${toString u.wantedBy}\n";
  environment = u: lib.concatStrings (lib.mapAttrsToList (k: v: "Environment=${builtins.toJSON "${k}=${toString v}"}\n") u.environment);
  flags = u: lib.optionalString (!u.restartIfChanged) "X-RestartIfChanged=false\n"
    + lib.optionalString (!u.stopIfChanged) "X-StopIfChanged=false\n";
in
lib.mapAttrs' (name: u: lib.nameValuePair "${name}.service"
  "${unit name u}\n[Service]\n${environment u}${flags u}${lines u.serviceConfig}${install u}") systemd.services
// lib.mapAttrs' (name: u: lib.nameValuePair "${name}.socket"
  "${unit name u}\n[Socket]\n${lines ({ ListenStream = u.listenStreams; } // u.socketConfig)}${install u}") systemd.sockets
// lib.mapAttrs' (name: u: lib.nameValuePair "${name}.slice"
  "${unit name u}\n[Slice]\n${lines u.sliceConfig}${install u}") systemd.slices
