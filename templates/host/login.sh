# Log in to PostgreSQL with the passwords the instances' users have: its port, then `LOGIN FILE` for each, FILE a URL. A URL
# goes to psql on its stdin; the connection that psql begins with does nothing.
set -u
port=$1 failed=0
shift
while [ $# -ge 2 ]; do
  url=''
  if [ -r "$2" ]; then IFS= read -r url < "$2"; fi
  said=$(printf "\\\\connect '%s'\nSELECT 'in';\n" "$url" |
    runuser -u postgres -- psql -XAtqw -v ON_ERROR_STOP=1 -p "$port" -d postgres -f - 2>&1)
  if [ "$said" != in ]; then
    case $said in *://*) said='psql cannot read it' ;; esac
    echo "$1 cannot log in with the password in $2: ${said:-psql gave no answer}" >&2
    failed=1
  fi
  shift 2
done
exit $failed
