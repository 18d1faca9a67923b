# Ask the services of instances through their gateways: $1 seconds to wait until all answer as expected, $2 how each service
# is asked (`SERVICE METHOD PATH EXPECTED;...`), then `NAME PORT LISTENER KEY PASSWORD SERVICES` for each instance, its
# services with a space between two. Only a port whose listener is the expected one is asked: anybody on the host could wait
# there for the key. Prints `health NAME SERVICE SEEN`: ok, else the HTTP status, 000 when nothing answers, or `unhealthy`
# where the body was to say `healthy`. Keys and passwords go to curl on its stdin.
set -u
deadline=$(($(date +%s) + $1))
shift
bodies=''
case $1 in *' healthy;'*)
  bodies=$(mktemp -d)
  trap 'rm -rf "$bodies"' EXIT ;;
esac
# Not in the shell, which needs a tenth of a second for 100 instances.
requests() {
  awk '
    function first(file,   line) { line = ""; getline line < file; close(file); return line }
    BEGIN {
      bodies = ARGV[1]
      for (number = split(ARGV[2], questions, ";"); number > 0; number--) {
        split(questions[number], words, " ")
        method[words[1]] = words[2]; path[words[1]] = words[3]; expected[words[1]] = words[4]
      }
      while ((getline socket < "/proc/net/tcp") > 0) {
        split(socket, field, " ")
        if (field[4] == "0A") { split(field[2], address, ":"); listens[address[2] ":" field[8]] = 1 }
      }
      for (i = 3; i < ARGC; i += 6) {
        if (!(ARGV[i + 2] in listens)) continue
        key = first(ARGV[i + 3])
        for (number = split(ARGV[i + 5], services, " "); number > 0; number--) {
          service = services[number]
          printf "next\nurl = \"http://127.0.0.1:%s%s\"\n", ARGV[i + 1], path[service]
          printf "output = \"%s\"\n", expected[service] == "healthy" ? bodies "/" ARGV[i] : "/dev/null"
          printf "max-time = 5\nnoproxy = \"*\"\n"
          if (service == "studio") printf "user = \"supabase:%s\"\n", first(ARGV[i + 4])
          else printf "header = \"apikey: %s\"\n", key
          if (method[service] == "HEAD") print "head"
          else printf "request = \"%s\"\n", method[service]
          printf "write-out = \"%s %s %s %%{http_code}\\n\"\n", ARGV[i], service, expected[service]
        }
      }
    }' "$bodies" "$@"
}
judged() {
  awk -v bodies="$bodies" '{
    seen = $4
    if ($3 == "healthy" && seen == 200) {
      seen = "unhealthy"
      while ((getline text < (bodies "/" $1)) > 0) if (text ~ /"healthy": *true/) seen = "healthy"
      close(bodies "/" $1)
    }
    print "health", $1, $2, seen == $3 ? "ok" : seen
  }'
}
# As many as services are asked of, when all answer as expected.
number() {
  shift
  while [ $# -ge 6 ]; do printf '%s ' "$6"; shift 6; done | wc -w
}
while :; do
  answers=$(requests "$@" | curl --silent --parallel --parallel-immediate --config - 2>/dev/null | judged)
  if [ "$(date +%s)" -ge "$deadline" ]; then break; fi
  if [ "$(printf '%s\n' "$answers" | grep -c ' ok$')" -eq "$(number "$@")" ]; then break; fi
  sleep 0.2
done
printf '%s\n' "$answers"
