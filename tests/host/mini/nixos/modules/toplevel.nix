# system.build.toplevel: one generation. Pid 1 is its `init`, which activates and then becomes systemd.
{ lib, config, pkgs, ... }:
let
  failed = map (a: a.message) (lib.filter (a: !a.assertion) config.assertions);
  checked = x:
    if failed != [ ] then throw "\nFailed assertions:\n${lib.concatMapStringsSep "\n" (m: "- ${m}") failed}"
    else lib.foldl' (y: w: builtins.trace "evaluation warning: ${w}" y) x config.warnings;
  # as NixOS' environment.pathsToLink: of a package's directories only some; the first package to bring a file wins
  sw = pkgs.runCommand "system-path" { } ''
    mkdir -p $out/bin
    for package in ${toString config.environment.systemPackages}; do
      for dir in bin sbin; do if [ -d "$package/$dir" ]; then cp -rsn "$package/$dir/." $out/bin/; fi; done
    done
  '';
  init = pkgs.writeScript "stage-2-init.sh" ''
    #!${pkgs.bash}/bin/bash
    systemConfig=@out@
    export PATH=${lib.makeBinPath [ pkgs.coreutils ]}
    echo "booting system configuration $systemConfig"
    ln -sfn "$systemConfig" /run/booted-system
    "$systemConfig/activate" || echo "stage 2: activation failed" >&2
    exec /usr/lib/systemd/systemd "$@"
  '';
in
{
  environment.systemPackages = with pkgs; [ bash coreutils ];
  system.build.toplevel = checked (pkgs.runCommand "nixos-system-${config.networking.hostName}-${config.system.nixos.version}" { } ''
    mkdir -p $out/bin
    ln -s ${config.system.build.etc}/etc $out/etc
    ln -s ${sw} $out/sw
    for script in activate:${config.system.build.activate} init:${init} bin/switch-to-configuration:${../switch-to-configuration.sh}; do
      sed "s|@out@|$out|g" "''${script#*:}" > "$out/''${script%%:*}"
      chmod 555 "$out/''${script%%:*}"
    done
    echo -n ${config.system.nixos.version} > $out/nixos-version
    echo -n ${pkgs.system} > $out/system
    ${lib.optionalString (config.system.configurationRevision != null) "echo -n ${config.system.configurationRevision} > $out/configuration-revision"}
  '');
}
