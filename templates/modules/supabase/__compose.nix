# The root script that composes what a service reads from the secrets at run time, and puts it in place by rename.
#   write   shell code that leaves the text in $composed, by `each_generation FILE COMMAND...` and `read_secret FILE`
#   owner   who may read the file
# Its text does not name the generations of a secret: a rotation reloads the units and does not restart them.
# Secrets go through shell variables and pipes of the builtin printf only: never an argument, never the environment.
{ pkgs, instance }:
{ service, file, write, owner ? instance.unit service }:
pkgs.writeShellScript "${instance.unit service}-compose" ''
  set -euo pipefail
  export PATH=${pkgs.coreutils}/bin LC_ALL=C
  umask 077
  composed= secret= new=
  trap 'rm -f -- "$new"' EXIT

  refuse() {
    printf '%s: %s\n' "$1" "$2" >&2
    exit 1
  }
  # The first line of a file, in $secret.
  read_secret() {
    [ -e "$1" ] || refuse "$1" "is missing: was it decrypted? see journalctl -b and the host's age identities"
    secret=
    IFS= read -r secret < "$1" || true
    [ -n "$secret" ] || refuse "$1" "is empty: set it again with just supabase-update-secret"
  }
  # Runs a command for the secret of a file and, during a rotation, for the one that waits and the one still
  # accepted, each in $secret.
  each_generation() {
    local file
    for file in "$1" "$1-next" "$1-previous"; do
      if [ "$file" = "$1" ] || [ -e "$file" ]; then
        read_secret "$file"
        "''${@:2}"
      fi
    done
  }

  ${write}

  # Made in root's directory: the service owns its own and could put a link in the way.
  new=$(mktemp ${dirOf (instance.runtimeDir service)}/.${service}.XXXXXXXX)
  printf '%s' "$composed" > "$new"
  chown ${owner}:${owner} "$new"
  chmod 0400 "$new"
  mv -fT "$new" ${instance.runtimeDir service}/${file}
''
