{
  outputs = { self, ... }: {
    nixosModules.age = import ./modules/age.nix;
    nixosModules.default = self.nixosModules.age;
  };
}
