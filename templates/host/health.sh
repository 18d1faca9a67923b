# Ask every gateway for its REST API with the service key: $1 seconds to wait for all to give the expected status, then
# `NAME PORT SECRET STATUS` for each. Status 406 asks for a schema that the API does not serve: it checks the key and
# answers without a query, in 1 ms where the whole API takes 12. Prints `health NAME STATUS` as seen, 000 when nothing
# answers. The keys go to curl on its stdin.
set -u
deadline=$(($(date +%s) + $1))
shift
ask() {
  while [ $# -ge 4 ]; do
    key=''
    if [ -r "$3" ]; then IFS= read -r key < "$3"; fi
    printf 'next\nhead\nurl = "http://127.0.0.1:%s/rest/v1/"\noutput = "/dev/null"\nheader = "apikey: %s"\nmax-time = 5\nnoproxy = "*"\n' "$2" "$key"
    if [ "$4" = 406 ]; then printf 'header = "Accept-Profile: supabase-pulse"\n'; fi
    printf 'write-out = "health %s %%{http_code}\\n"\n' "$1"
    shift 4
  done
}
expected() {
  while [ $# -ge 4 ]; do
    echo "health $1 $4"
    shift 4
  done | sort
}
want=$(expected "$@")
while :; do
  answers=$(ask "$@" | curl --silent --parallel --parallel-immediate --config - 2>/dev/null | sort)
  if [ "$answers" = "$want" ] || [ "$(date +%s)" -ge "$deadline" ]; then break; fi
  sleep 0.2
done
printf '%s\n' "$answers"
