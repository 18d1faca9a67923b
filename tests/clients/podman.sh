#!/bin/bash
# podman on a test host: `run` starts /opt/images/NAME/run, NAME being the last part of the image's repository, in the network,
# as the user and with the variables it is given. The file system is the host's. Everything else succeeds.
set -euo pipefail
[ "${1-}" = run ] || exit 0
shift
enter=() variables=() user=
while [ "${1:0:1}" = - ]; do
  case $1 in
    -d | --*=* | --rm | --replace | --read-only) ;;
    -e) variables+=("$2"); shift ;;
    --env-file) mapfile -t -O "${#variables[@]}" variables < "$2"; shift ;;
    -u) user=$2; shift ;;
    -v | --pull) shift ;;
    *) echo "podman.sh: $1 is not known" >&2; exit 125 ;;
  esac
  case $1 in --network=ns:*) enter=(nsenter "--net=${1#*:}" --) ;; esac
  shift
done
name=${1%%[:@]*}
systemd-notify --ready
# Not as arguments: those can be read by everybody
mapfile -t inherited < <(compgen -e)
unset "${inherited[@]}"
export PATH=/usr/bin:/bin
for variable in "${variables[@]}"; do export "${variable?}"; done
exec "${enter[@]}" setpriv "--reuid=${user%:*}" "--regid=${user#*:}" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all \
  -- "/opt/images/${name##*/}/run"
