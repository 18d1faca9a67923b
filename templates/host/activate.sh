# Activate the system that build.sh has built, without touching the boot default. A unit that had failed before is not
# this run's fault; one that keeps restarting is left to the health check.
set -u
built=$(readlink -f /var/lib/supabase/build/result)
log=/run/supabase-switch.log
failed() { systemctl list-units --state=failed --no-legend --plain | cut -d' ' -f1 | sort; }
before=$(failed)
# Not piped to this connection, which may end. Under the lock of the way back: it has not come first, and can stop this unit.
systemd-run --quiet --collect --wait --unit=nixos-rebuild-switch-to-configuration --setenv=PATH="$PATH" \
  --property=StandardOutput="truncate:$log" --property=StandardError=inherit /bin/sh -c '
    exec 8>>/run/supabase-way-back.lock
    flock 8
    if ! [ -e /var/lib/supabase/way-back/since ]; then echo "the way back came first"; exit 1; fi
    exec 8>&-
    exec "$0" test' "$built/bin/switch-to-configuration"
status=$?
case $status in
  0) exit 0 ;;
  4) new=$(failed | grep -vxF -e "$before" || true)
     if [ -z "$new" ]; then exit 0; fi
     echo "units failed:" $new >&2
     unit_log $new
     exit 1 ;;
  *) cat "$log" >&2
     echo "switch-to-configuration ended with status $status" >&2
     exit 1 ;;
esac
