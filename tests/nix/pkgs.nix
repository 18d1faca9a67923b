# A package set without builds: packages are directories of programs that are there, texts are plain store files.
{ programs }:
let
  package = name: extra: { type = "derivation"; inherit name; outPath = "${toString programs}/${name}"; } // extra;
in
rec {
  age = package "age" { };
  coreutils = package "coreutils" { };
  nginx = package "nginx" { };
  postgrest = package "postgrest" { };
  postgresql = package "postgresql" { version = "17.10"; };
  postgresql_15 = package "postgresql" { version = "15.18"; };
  gotrue-supabase = package "gotrue-supabase" { version = "2.187.0"; };
  imgproxy = package "imgproxy" { };
  iproute2 = package "iproute2" { };
  podman = package "podman" { };
  systemd = package "systemd" { };
  mount = package "mount" { };
  gnugrep = package "gnugrep" { };
  writeText = builtins.toFile;
  writeShellScript = name: text: writeText name "#!${toString programs}/bash/bin/bash\n${text}";
}
