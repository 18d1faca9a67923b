{ system ? builtins.currentSystem or "x86_64-linux", modules, specialArgs ? { }, ... }:
let
  lib = import ../../lib;
  pkgs = import ../../default.nix { inherit system; };
  eval = lib.evalModules {
    modules = [ ../modules { _module.args.pkgs = pkgs; } ] ++ modules;
    specialArgs = { modulesPath = toString ../modules; } // specialArgs;
  };
in
eval // { inherit pkgs lib; }
