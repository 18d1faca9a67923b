# environment.etc: /etc/static is the generation's tree; /etc/X links to /etc/static/X, or is a copy where a mode is set.
{ lib, config, pkgs, ... }:
let
  inherit (lib) mkOption types;
  files = lib.filter (e: e.enable) (lib.attrValues config.environment.etc);
  etc = pkgs.runCommand "etc" { } (''
    mkdir -p $out/etc
    cd $out/etc
    link() { [ "''${2%/*}" = "$2" ] || [ -d "''${2%/*}" ] || mkdir -p "''${2%/*}"; ln -s "$1" "$2"; }
  '' + lib.concatMapStrings (e: ''
    link ${lib.escapeShellArg "${e.source}"} ${lib.escapeShellArg e.target}
    ${lib.optionalString (e.mode != "symlink") "echo '${e.mode} ${e.user} ${e.group}' > ${lib.escapeShellArg "${e.target}.nixos-mode"}"}
  '') files);
in
{
  options.environment = {
    systemPackages = mkOption { type = types.listOf types.package; default = [ ]; };
    variables = mkOption { type = types.attrsOf (types.either types.str types.int); default = { }; };
    sessionVariables = mkOption { type = types.attrsOf (types.either types.str types.int); default = { }; };
    etc = mkOption {
      default = { };
      type = types.attrsOf (types.submodule ({ name, config, options, ... }: {
        options = {
          enable = mkOption { type = types.bool; default = true; };
          target = mkOption { type = types.str; default = name; };
          text = mkOption { type = types.nullOr types.lines; default = null; };
          source = mkOption { type = types.path; };
          mode = mkOption { type = types.str; default = "symlink"; };
          user = mkOption { type = types.str; default = "root"; };
          group = mkOption { type = types.str; default = "root"; };
        };
        config.source = lib.mkIf (config.text != null) (lib.mkDefault (pkgs.writeText ("etc-" + baseNameOf name) config.text));
      }));
    };
  };
  config.system.build.etc = etc;
  config.system.activationScripts.etc = {
    deps = [ "users" "groups" "specialfs" ];
    text = ''
      ln -sfn ${etc}/etc /etc/.static.new && mv -T /etc/.static.new /etc/static
      if ! [ -L /etc/systemd/system ]; then rm -rf /etc/systemd/system; ln -s /etc/static/systemd/system /etc/systemd/system; fi
      # what is linked already is linked right: every link is /etc/X -> /etc/static/X
      declare -A linked=()
      while IFS= read -r f; do linked[$f]=1; done < <(find /etc -xdev -type l -lname '/etc/static/*' -printf '%P\n')
      : > /etc/.clean.new
      while IFS= read -r f; do
        [ -d "/etc/''${f%/*}" ] || case $f in */*) mkdir -p "/etc/''${f%/*}";; esac
        if [ -e "/etc/static/$f.nixos-mode" ]; then
          read -r mode user group < "/etc/static/$f.nixos-mode"
          install -m "$mode" -o "$user" -g "$group" "/etc/static/$f" "/etc/$f.new" && mv -fT "/etc/$f.new" "/etc/$f"
          echo "$f" >> /etc/.clean.new
        elif [ -z "''${linked[$f]-}" ]; then
          ln -s "/etc/static/$f" "/etc/$f.new" && mv -fT "/etc/$f.new" "/etc/$f"
        fi
      done < <(cd /etc/static/ && find . -path ./systemd/system -prune -o \( -type l -o -type f \) ! -name '*.nixos-mode' -printf '%P\n')
      find /etc -xdev -type l -lname '/etc/static/*' ! -exec test -e {} \; -delete
      if [ -e /etc/.clean ]; then grep -vxFf /etc/.clean.new /etc/.clean | while IFS= read -r f; do [ -L "/etc/$f" ] || rm -f "/etc/$f"; done || true; fi
      mv -f /etc/.clean.new /etc/.clean
    '';
  };
}
