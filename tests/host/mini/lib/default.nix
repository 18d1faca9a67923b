# A small, independent stand-in for the part of nixpkgs' lib that ordinary modules use, so that the test host needs no
# nixpkgs. Machine.start(nixpkgs_lib=...) replaces this directory with the real one.
let
  parts = lib: [ (import ./basics.nix lib) (import ./properties.nix lib) (import ./types.nix lib) (import ./modules.nix lib) ];
  lib = builtins.foldl' (all: part: all // part) { } (parts lib);
in
lib
