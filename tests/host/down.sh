#!/bin/bash
# down.sh NAME -- stops the host that `up.sh NAME` started and removes everything it made. Ends only the processes that up.sh
# recorded (checked by their command line) and the guest's init, whose pid namespace the kernel then empties.
set -uo pipefail
name=${1:?usage: down.sh NAME}
state=${TESTHOST_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/supabase-testhost}/run/$name
[[ $name =~ ^[a-z0-9]{1,12}$ ]] || exit 2
[ -d "$state" ] || exit 0
ours() { [ -n "$1" ] && tr '\0' ' ' 2> /dev/null < "/proc/$1/cmdline" | grep -qF -- "$2"; } 2> /dev/null
gone() { for _ in $(seq 1 200); do kill -0 "$1" 2> /dev/null || return 0; sleep 0.01; done; return 1; }
supervisor=$(cat "$state/pid" 2> /dev/null) nspawn=$(cat "$state/nspawn.pid" 2> /dev/null)
rm -f "$state/again"
if ours "$nspawn" "--machine=$name "; then
  for init in $(cat "/proc/$nspawn/task/$nspawn/children" 2> /dev/null); do kill -KILL "$init"; done
  gone "$nspawn" || kill -KILL "$nspawn"
fi
if ours "$supervisor" systemd-nspawn; then gone "$supervisor" || kill -KILL "$supervisor"; fi
[ ! -e "$state/veth" ] || ip link del "$(cat "$state/veth")" 2> /dev/null
ip netns del "sth-$name" 2> /dev/null
if [ -e "$state/cgroups" ]; then
  while read -r cgroup; do [ ! -d "$cgroup" ] || find "$cgroup" -depth -type d -exec rmdir {} \;; done < "$state/cgroups"
fi
rm -rf --one-file-system "$state"
