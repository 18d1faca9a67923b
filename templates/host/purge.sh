# What instance $1 has left on this host goes: the units $4..., its directories, its marker, and the decrypted secrets $3 (names,
# a space between two). With $2 = keep its data stay.
set -eu
name=$1 what=$2 secrets=$3
shift 3
if [ $# != 0 ]; then systemctl stop "$@"; fi
rm -f "/var/lib/supabase/$name/database-ready"
rm -rf --one-file-system "/run/supabase/${name:?}"
# agenix makes no new generation, and removes no old one, for a system without any secret: that of the last instance.
for secret in $secrets; do rm -f "/run/agenix/$secret"; done
if [ "$what" != keep ]; then rm -rf --one-file-system "/var/lib/supabase/${name:?}" "/var/lib/supabase/dumps/$name"; fi
sync -f /var/lib/supabase
