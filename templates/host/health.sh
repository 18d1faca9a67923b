# Ask every gateway for its REST API with the service key: $1 seconds to wait for all to give the expected status, then
# `NAME PORT LISTENER SECRET STATUS` for each. Only a port whose listener is the instance's own user is asked: anybody on
# the host could wait there for the key. Status 406 asks for a schema that the API does not serve: it checks the key and
# answers without a query, in 1 ms where the whole API takes 12. Prints `health NAME STATUS` as seen, 000 when nothing
# answers. The keys go to curl on its stdin.
set -u
deadline=$(($(date +%s) + $1))
shift
listening() {
  while read -r _ address _ state _ _ _ uid _; do
    if [ "$state" = 0A ]; then printf ' %s:%s ' "${address#*:}" "$uid"; fi
  done < /proc/net/tcp
}
ask() {
  listeners=$(listening)
  while [ $# -ge 5 ]; do
    case $listeners in *" $3 "*) ;; *) shift 5; continue ;; esac
    key=''
    if [ -r "$4" ]; then IFS= read -r key < "$4"; fi
    printf 'next\nhead\nurl = "http://127.0.0.1:%s/rest/v1/"\noutput = "/dev/null"\nheader = "apikey: %s"\nmax-time = 5\nnoproxy = "*"\n' "$2" "$key"
    if [ "$5" = 406 ]; then printf 'header = "Accept-Profile: supabase-pulse"\n'; fi
    printf 'write-out = "health %s %%{http_code}\\n"\n' "$1"
    shift 5
  done
}
expected() {
  while [ $# -ge 5 ]; do
    echo "health $1 $5"
    shift 5
  done | sort
}
want=$(expected "$@")
while :; do
  answers=$(ask "$@" | curl --silent --parallel --parallel-immediate --config - 2>/dev/null | sort)
  if [ "$answers" = "$want" ] || [ "$(date +%s)" -ge "$deadline" ]; then break; fi
  sleep 0.2
done
printf '%s\n' "$answers"
