{
  description = "The miniature nixpkgs of the test host";
  outputs = { self }: {
    lib = import ./lib // { nixosSystem = args: import ./nixos/lib/eval-config.nix args; };
    legacyPackages.x86_64-linux = import ./. { system = "x86_64-linux"; };
    legacyPackages.aarch64-linux = import ./. { system = "aarch64-linux"; };
  };
}
