# Pull the images that the system $1 names and this host has not: a function. Before a first switch podman, and what podman
# reads below /etc, are in that system only.
pull_images() (
  [ -s "$1/etc/supabase/images" ] || exit 0
  PATH=$1/sw/bin:$PATH
  if [ -e "$1/etc/containers/storage.conf" ]; then export CONTAINERS_STORAGE_CONF="$1/etc/containers/storage.conf"; fi
  policy=$1/etc/containers/policy.json
  while IFS= read -r image; do
    podman image exists "$image" </dev/null && continue
    timeout 1800 podman pull --quiet $(if [ -e "$policy" ]; then echo "--signature-policy=$policy"; fi) "$image" </dev/null >/dev/null || {
      echo "image $image could not be pulled; see above. Give the host a way to its registry, or bring it by podman save and podman load; then run again" >&2
      exit 1
    }
    echo "pulled $image"
  done < "$1/etc/supabase/images"
)
