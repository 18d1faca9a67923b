# system.activationScripts: snippets with dependencies. A failing command does not stop the script, it makes its exit status 1.
{ lib, config, pkgs, ... }:
let
  inherit (lib) mkOption types;
  snippet = types.submodule {
    options = {
      text = mkOption { type = types.lines; default = ""; };
      deps = mkOption { type = types.listOf types.str; default = [ ]; };
      supportsDryActivation = mkOption { type = types.bool; default = false; };
    };
  };
  snippets = config.system.activationScripts;
  # every name after those it depends on; a name nobody defined is an error
  visit = seen: n:
    if builtins.elem n seen then seen
    else lib.foldl' visit seen (snippets.${n} or (throw "activation snippet `${n}' does not exist, but another one depends on it")).deps ++ [ n ];
  ordered = lib.foldl' visit [ ] (builtins.attrNames snippets);
in
{
  options.system.activationScripts = mkOption {
    type = types.attrsOf (types.coercedTo types.str (text: { inherit text; }) snippet);
    default = { };
  };
  options.system.build = mkOption { type = types.lazyAttrsOf types.unspecified; default = { }; };
  config.system.activationScripts.specialfs.text = "";
  config.system.build.activate = pkgs.writeScript "activate" ''
    #!${pkgs.bash}/bin/bash
    systemConfig=@out@
    export PATH=${lib.makeBinPath (with pkgs; [ coreutils gnugrep gnused findutils util-linux systemd shadow getent ])}
    _status=0
    trap '_status=1 _localstatus=$?' ERR
    umask 0022
    ${lib.concatMapStrings (n: ''
      # ---- ${n}
      _localstatus=0
      ${snippets.${n}.text}
      if [ "$_localstatus" -gt 0 ]; then printf "Activation script snippet '%s' failed (%s)\n" ${n} "$_localstatus"; fi
    '') ordered}
    ln -sfn "$systemConfig" /run/current-system
    exit $_status
  '';
}
