# The state and the last log lines of the units $@, on stderr: a function for the scripts that start units.
unit_log() {
  for unit in "$@"; do
    echo "$unit is $(systemctl show -P ActiveState "$unit") ($(systemctl show -P Result "$unit")); its last log lines:" >&2
    journalctl --no-pager -q -n 8 -o cat -u "$unit" | sed 's/^/  /' >&2
  done
}
