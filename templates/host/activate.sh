# Activate the system that build.sh has built, without touching the boot default. A unit that had failed before is not this run's fault.
set -u
built=$(readlink -f /var/lib/supabase/build/result)
failed() { systemctl list-units --state=failed --no-legend --plain | cut -d' ' -f1 | sort; }
before=$(failed)
systemd-run --quiet --collect --wait --pipe --unit=nixos-rebuild-switch-to-configuration \
  "$built/bin/switch-to-configuration" test
status=$?
case $status in
  0) exit 0 ;;
  4) new=$(failed | grep -vxF -e "$before" || true)
     if [ -z "$new" ]; then exit 0; fi
     echo "units failed: $(echo $new)" >&2
     for unit in $new; do journalctl --no-pager -q -n 5 -o cat -u "$unit" >&2; done
     exit 1 ;;
  *) echo "switch-to-configuration ended with status $status" >&2; exit 1 ;;
esac
