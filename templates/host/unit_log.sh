# For each of the units $@ that does not run: its state and the last lines of its log, on stderr. A function for the
# scripts that start units.
unit_log() {
  for unit in "$@"; do
    state=$(systemctl show -P ActiveState "$unit")
    if [ "$state" = active ]; then continue; fi
    echo "$unit is $state ($(systemctl show -P Result "$unit")); its last log lines:" >&2
    journalctl --no-pager -q -n 8 -o cat -u "$unit" | sed 's/^/  /' >&2
  done
}
