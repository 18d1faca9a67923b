{
  description = "Many isolated Supabase instances on one's own NixOS hosts";

  # A deploy does not need it: it brings the module to the host. For instances written in Nix.
  outputs = { self }: {
    nixosModules.default = ./templates/modules/supabase;
  };
}
