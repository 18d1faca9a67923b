# Ask the services of instances through their gateways: $1 seconds to wait until all answer as expected, $2 how each service
# is asked (`;SERVICE METHOD PATH EXPECTED;...;`), then `NAME PORT LISTENER KEY PASSWORD SERVICES` for each instance, its
# services with a space between two. Only a port whose listener is the expected one is asked: anybody on the host could wait
# there for the key. Prints `health NAME SERVICE SEEN`: ok, else the HTTP status, 000 when nothing answers, or `unhealthy`
# where the body was to say `healthy`. Keys and passwords go to curl on its stdin.
set -u
deadline=$(($(date +%s) + $1)) questions=$2
shift 2
bodies=''
case $questions in *' healthy;'*)
  bodies=$(mktemp -d)
  trap 'rm -rf "$bodies"' EXIT ;;
esac
# Not `read`, which asks the kernel for each character: a tenth of a second for 200 connections.
listening() {
  sed -n 's/^ *[0-9]*: [0-9A-F]*:\([0-9A-F]*\) [^ ]* 0A [^ ]* [^ ]* [^ ]* *\([0-9]*\) .*/ \1:\2 /p' /proc/net/tcp | tr -d '\n'
}
# Runs $1 for every service of every instance, with the instance's arguments.
each() {
  act=$1
  shift
  while [ $# -ge 6 ]; do
    for service in $6; do
      question=${questions#*";$service "}
      question=${question%%;*}
      method=${question%% *} expected=${question##* }
      path=${question#* }
      path=${path% *}
      "$act" "$1" "$2" "$3" "$4" "$5"
    done
    shift 6
  done
}
request() {
  case $listeners in *" $3 "*) ;; *) return ;; esac
  secret='' file=$4 output=/dev/null
  if [ "$service" = studio ]; then file=$5; fi
  if [ -r "$file" ]; then IFS= read -r secret < "$file"; fi
  if [ "$expected" = healthy ]; then output=$bodies/$1; fi
  printf 'next\nurl = "http://127.0.0.1:%s%s"\noutput = "%s"\nmax-time = 5\nnoproxy = "*"\n' "$2" "$path" "$output"
  if [ "$service" = studio ]; then printf 'user = "supabase:%s"\n' "$secret"; else printf 'header = "apikey: %s"\n' "$secret"; fi
  if [ "$method" = head ]; then printf 'head\n'; fi
  if [ "$expected" = 406 ]; then printf 'header = "Accept-Profile: supabase-pulse"\n'; fi
  printf 'write-out = "%s %s %s %%{http_code}\\n"\n' "$1" "$service" "$expected"
}
wanted() { echo "health $1 $service ok"; }
judged() {
  while read -r name service expected seen; do
    if [ "$expected $seen" = 'healthy 200' ]; then
      seen=unhealthy
      if grep -q '"healthy": *true' "$bodies/$name"; then seen=healthy; fi
    fi
    if [ "$seen" = "$expected" ]; then seen=ok; fi
    echo "health $name $service $seen"
  done
}
want=$(each wanted "$@" | sort)
while :; do
  listeners=$(listening)
  answers=$(each request "$@" | curl --silent --parallel --parallel-immediate --config - 2>/dev/null | judged | sort)
  if [ "$answers" = "$want" ] || [ "$(date +%s)" -ge "$deadline" ]; then break; fi
  sleep 0.2
done
printf '%s\n' "$answers"
