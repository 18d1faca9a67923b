# Bring files into the module tree $1: a base64 tar on stdin is unpacked beside it and renamed into place file by file;
# $2... are files to remove.
set -eu
dir=$1
shift
parent=$dir
while [ ! -d "$parent" ]; do parent=$(dirname "$parent"); done
owner=$(stat -c %u:%g "$parent")
mkdir -p "$dir/instances" "$dir/secrets"
staging=$(mktemp -d "$dir/.supabase-XXXXXX")
trap 'rm -rf "$staging"' EXIT
base64 -d | tar -x -C "$staging" --no-same-owner --no-same-permissions
chmod -R u=rwX,go=rX "$staging"
chown -R "$owner" "$staging" "$dir/instances" "$dir/secrets"
chown "$owner" "$dir"
sent=$(cd "$staging" && find . -type f)
echo "$sent" | while IFS= read -r file; do [ -z "$file" ] || mv -f "$staging/$file" "$dir/$file"; done
for file in "$@"; do rm -f "$dir/$file"; done
sync -f "$dir"
