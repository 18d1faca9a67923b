{
  imports = [
    ./assertions.nix
    ./activation.nix
    ./users.nix
    ./etc.nix
    ./systemd.nix
    ./toplevel.nix
    ./shells.nix
    ./postgresql.nix
    ./caddy.nix
    ./nginx.nix
    ./containers.nix
  ];
}
