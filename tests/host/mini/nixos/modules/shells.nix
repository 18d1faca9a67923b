# Options that ordinary configurations set and that mean nothing on the test host, or only their value is asked for.
{ lib, config, pkgs, ... }:
let
  inherit (lib) mkOption types;
  any = mkOption { type = types.attrsOf types.anything; default = { }; };
  key = types.submodule { freeformType = types.attrsOf types.anything; options.path = mkOption { type = types.str; }; options.type = mkOption { type = types.str; }; };
in
{
  options = {
    networking.hostName = mkOption { type = types.str; default = "nixos"; };
    networking.domain = mkOption { type = types.nullOr types.str; default = null; };
    networking.extraHosts = mkOption { type = types.lines; default = ""; };
    networking.firewall = any;
    networking.nftables = any;
    nix.settings = any;
    nix.gc = any;
    nixpkgs = any;
    boot = any;
    fileSystems = any;
    swapDevices = mkOption { type = types.listOf types.anything; default = [ ]; };
    i18n.defaultLocale = mkOption { type = types.str; default = "C.UTF-8"; };
    time.timeZone = mkOption { type = types.nullOr types.str; default = null; };
    security = {
      acme = any;
      sudo = any;
      pam = any;
    };
    services.journald = any;
    services.openssh = {
      enable = mkOption { type = types.bool; default = true; };
      openFirewall = mkOption { type = types.bool; default = true; };
      settings = any;
      ports = mkOption { type = types.listOf types.port; default = [ 22 ]; };
      # this host makes only the ed25519 key
      hostKeys = mkOption { type = types.listOf key; default = [ { type = "ed25519"; path = "/etc/ssh/ssh_host_ed25519_key"; } ]; };
    };
    system.stateVersion = mkOption { type = types.str; default = "25.11"; };
    system.configurationRevision = mkOption { type = types.nullOr types.str; default = null; };
    system.nixos.version = mkOption { type = types.str; default = config.system.stateVersion; };
    meta = any;
  };
  config = {
    system.activationScripts.hostname = "${pkgs.hostname}/bin/hostname ${config.networking.hostName}";
    environment.etc.hostname.text = config.networking.hostName + "\n";
    environment.etc.NIXOS.text = "";
    environment.etc.os-release.text = ''
      ID=nixos
      NAME=NixOS
      PRETTY_NAME="NixOS ${config.system.stateVersion} (miniature test host)"
      VERSION_ID="${config.system.stateVersion}"
    '';
  };
}
