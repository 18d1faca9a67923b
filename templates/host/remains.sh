# What is on this host of instance $1, beside its units and PostgreSQL: `directory PATH`, `marker`, `user NAME`, a line each.
set -u
for directory in "/run/supabase/$1" "/var/lib/supabase/$1" "/var/lib/supabase/dumps/$1"; do
  if [ -e "$directory" ]; then echo "directory $directory"; fi
done
if [ -e "/var/lib/supabase/$1/database-ready" ]; then echo marker; fi
while IFS=: read -r user _; do
  case $user in "supabase-$1"|"supabase-$1-"*) echo "user $user" ;; esac
done < /etc/passwd
exit 0
