#!/bin/bash
# bin/switch-to-configuration of the miniature NixOS. As the real one: unit files of the running generation against the new
# one's decide what stops, restarts, reloads; active targets are started again; exit 2 when activation failed (units are still
# handled), 4 when a job failed or a unit is failed afterwards, 11 when another one is at work.
set -u
action=${1:-}
new=@out@
PATH=/usr/sbin:/usr/bin:/sbin:/bin
case $action in switch|boot|test|dry-activate|check) ;; *) echo "Usage: $0 [check|switch|boot|test|dry-activate]" >&2; exit 1;; esac
[ "$(id -u)" = 0 ] || { echo "$0: must be root" >&2; exit 1; }
[ -e /etc/NIXOS ] || { echo "This is not a NixOS installation!" >&2; exit 1; }
mkdir -p /run/nixos
exec 9> /run/nixos/switch-to-configuration.lock
flock -n 9 || { echo "Could not acquire lock" >&2; exit 11; }
[ "$action" != check ] || exit 0
# the boot loader's entry: what the supervisor of this host boots
case $action in switch|boot) mkdir -p /boot && ln -sfn "$new" /boot/.default.new && mv -T /boot/.default.new /boot/default;; esac
[ "$action" != boot ] || exit 0

old=$(readlink -f /run/current-system)
old_units=$old/etc/systemd/system new_units=$new/etc/systemd/system
# what systemd would not treat differently is not a change
body() { grep -vE '^(X-Reload-Triggers|Description|Documentation|OnFailure|OnSuccess|CollectMode)=' "$1"; }
flag() { grep -qx "$2" "$new_units/$1"; }
# sets REPLY to the file of a unit: a template's file serves its instances
file() { REPLY=$1; [ -e "$2/$1" ] || REPLY=${1%%@*}@.${1##*.}; }
say() { local m=$1; shift; [ $# = 0 ] || { mapfile -t sorted < <(printf '%s\n' "$@" | sort -u); local IFS=,; m="$m: ${sorted[*]}"; echo "${m//,/, }" >&2; }; }
active() { systemctl list-units --plain --no-legend --full --state=active,activating,reloading | awk '{print $1}'; }
stop=() restart=() reload=() start=() skip=() targets=() show=()
mapfile -t before < <(active)
declare -A changed=()
while IFS= read -r line; do changed[${line##*/}]=1; done < <(
  LC_ALL=C diff -rq "$old_units/" "$new_units/" | sed -n "s|^Files \(.*\) and .* differ$|\1|p")
for u in "${before[@]}"; do
  file "$u" "$old_units"; name=$REPLY; o=$old_units/$name n=$new_units/$name
  case $u in *.target) [ ! -e "$n" ] && [ -e "$o" ] && stop+=("$u") || targets+=("$u"); continue;; esac
  [ -e "$o" ] || continue
  if [ ! -e "$n" ]; then stop+=("$u"); continue; fi
  [ -n "${changed[$name]-}" ] || continue
  if cmp -s <(body "$o") <(body "$n"); then
    cmp -s <(grep ^X-Reload-Triggers= "$o") <(grep ^X-Reload-Triggers= "$n") || reload+=("$u")
    continue
  fi
  # a daemon-reload applies slices and paths; a running socket stays as it is
  case $u in *.slice|*.path|*.socket) continue;; esac
  if flag "$name" X-ReloadIfChanged=true; then reload+=("$u")
  elif flag "$name" X-RestartIfChanged=false || flag "$name" RefuseManualStop=true; then skip+=("$u")
  elif flag "$name" X-StopIfChanged=false; then restart+=("$u")
  else
    stop+=("$u")
    # of a service that a socket activates the socket is started again
    socket=${u%.service}.socket
    if [[ " ${before[*]} " == *" $socket "* && -e $new_units/$socket ]]; then stop+=("$socket"); u=$socket; fi
    start+=("$u"); show+=("$u")
  fi
done
# targets that only a dependency may start
mapfile -t targets < <(systemctl show -p Id,RefuseManualStart -- "${targets[@]}" | awk -F= '$1 == "Id" { id = $2 } /^RefuseManualStart=no/ { print id }')
if [ "$action" = dry-activate ]; then
  say "would stop the following units" "${stop[@]}"
  say "would NOT stop the following changed units" "${skip[@]}"
  echo "would activate the configuration..." >&2
  say "would reload the following units" "${reload[@]}"
  say "would restart the following units" "${restart[@]}"
  say "would start the following units" "${show[@]}"
  exit 0
fi
echo "$(date '+%F %T') switching to system configuration $new" | logger -t nixos
result=0
say "stopping the following units" "${stop[@]}"
[ ${#stop[@]} = 0 ] || systemctl stop -- "${stop[@]}" || result=4
say "NOT restarting the following changed units" "${skip[@]}"
echo "activating the configuration..." >&2
NIXOS_ACTION=$action "$new/activate" || { echo "Failed to run activate script" >&2; result=2; }
systemctl reset-failed
systemctl daemon-reload || result=3
systemd-tmpfiles --create --remove --exclude-prefix=/dev > /dev/null 2>&1
say "reloading the following units" "${reload[@]}"
[ ${#reload[@]} = 0 ] || systemctl reload -- "${reload[@]}" || result=4
say "restarting the following units" "${restart[@]}"
[ ${#restart[@]} = 0 ] || systemctl restart -- "${restart[@]}" || result=4
say "starting the following units" "${show[@]}"
# the active targets are started again, which pulls in what they newly want
systemctl start -- "${targets[@]}" "${start[@]}" || result=4
mapfile -t fresh < <(comm -13 <(printf '%s\n' "${before[@]}" | sort) <(active | sort))
started=(); for u in "${fresh[@]}"; do [[ " ${start[*]} ${restart[*]} " == *" $u "* ]] || [[ $u == *.scope || $u == nixos-rebuild-* || $u == session* ]] || started+=("$u"); done
say "the following new units were started" "${started[@]}"
mapfile -t failed < <(systemctl list-units --plain --no-legend --full --state=failed | awk '{print $1}'
  systemctl list-units --plain --no-legend --full --type=service --state=auto-restart | awk '{print $1}' | while read -r u; do [ "$(systemctl show -P ExecMainStatus -- "$u")" = 0 ] || echo "$u"; done)
if [ ${#failed[@]} -gt 0 ]; then
  say "warning: the following units failed" "${failed[@]}"
  systemctl status --no-pager --full -- "${failed[@]}" >&2
  result=4
fi
logger -t nixos "finished switching to system configuration $new"
exit $result
