# The ExecCondition of a service that brings its part of the database forward when it starts, and never back: an older version
# is not started where a newer one may have done so, whoever brought it (a way back, an older system that was booted). That a
# version is about to start is written down first, where only root reads and writes.
{ pkgs, instance }:
{ service, version }:
"+${pkgs.writeShellScript "${instance.unit service}-condition" ''
  set -eu
  # Unlike 1 this is a failure, after which systemd tries again.
  trap 'exit 255' ERR
  export PATH=${pkgs.coreutils}/bin LC_ALL=C
  version=${version} file=${instance.directory}/migrated/${service}
  newest=
  if [ -e "$file" ]; then IFS= read -r newest < "$file" || true; fi
  if [ "$newest" = "$version" ]; then exit 0; fi
  if [ "$(printf '%s\n' "$newest" "$version" | sort -V | tail -n 1)" != "$version" ]; then
    echo "${service} $version is not started: $newest may have migrated ${instance.settings.database.name}. Bring $newest again, or restore a dump of before (docs/upgrades.md)" >&2
    exit 1
  fi
  install -d -m 700 "''${file%/*}"
  printf '%s\n' "$version" > "$file.new"
  sync "$file.new"
  mv -fT "$file.new" "$file"
''}"
