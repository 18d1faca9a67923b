# The module tree in directory $1: where it stands, the lines of sha256sum, host.json and the instance files, which are as good as
# equal: 100 of them need 7 KB for their 120.
set -u
dir=$1
parent=$dir
while [ ! -d "$parent" ]; do parent=$(dirname "$parent"); done
echo "real $(readlink -f "$parent")"
up=$(readlink -f "$parent")
while :; do
  if [ -e "$up/.git" ]; then echo "git $up"; break; fi
  if [ "$up" = / ]; then break; fi
  up=$(dirname "$up")
done
[ -d "$dir" ] || exit 0
cd "$dir" || exit 1
find . -name '.supabase-*' -prune -o -type f -exec sha256sum {} +
printf 'texts '
head -v -n 10000 host.json instances/*.json 2>/dev/null | gzip | base64 -w 0
exit 0
