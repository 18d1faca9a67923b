"""A stand-in for podman on a test machine: no container runs there and no registry is near.

It keeps the references that it was told to pull and the calls that were made. What it `run`s does no more of the service than
a migration in the service's own schema, by the service's own login, and an answer of 200 to every request.
"""

from tests.host import Machine

STATE = "/var/lib/podman-stand-in"
_PODMAN = r"""#!/bin/bash
set -u
PATH=/usr/sbin:/usr/bin:/sbin:/bin
state=/var/lib/podman-stand-in
mkdir -p "$state"
touch "$state/images"
[ "$*" = "$1" ] || [ "$1" = run ] || echo "$1 ${*: -1}" >> "$state/calls"
case $1 in
  image) grep -qxF -- "$3" "$state/images"; exit ;;
  pull)
    if [ -e "$state/offline" ]; then echo "Error: initializing source: dial tcp: lookup ghcr.io: no such host" >&2; exit 125; fi
    echo "${*: -1}" >> "$state/images"
    exit ;;
  run) ;;
  *) exit 125 ;;
esac
files=() id= net= image= pull=missing
while [ $# -gt 0 ]; do
  case $1 in
    --env-file) files+=("$2"); shift ;;
    -u) id=${2%%:*}; shift ;;
    -v|-e) shift ;;
    --pull) pull=$2; shift ;;
    --network=ns:*) net=${1#*ns:} ;;
    *@sha256:*) image=$1 ;;
  esac
  shift
done
echo "run $pull $image" >> "$state/calls"
grep -qxF -- "$image" "$state/images" || { echo "Error: $image: image not known" >&2; exit 125; }
value() { cat "${files[@]}" | sed -n "s/^$1=//p" | tail -1; }
name=${image##*/} name=${name%%:*} version=${image##*:v} version=v${version%%-r*}
as() { nsenter ${net:+--net="$net"} setpriv --reuid="$id" --regid="$id" --clear-groups env HOME=/tmp PGPASSWORD=peer "$@"; }
# A newer one finds what an older one has made, as with real migrations.
migrate() {
  schema=$1
  shift
  sql="CREATE TABLE IF NOT EXISTS $schema (version text); INSERT INTO $schema VALUES ('$version')"
  as psql -Xqtw -v ON_ERROR_STOP=1 -c "$sql" "$@"
}
case $name in
  storage)
    url=$(value DATABASE_URL)
    migrate storage.migrations "${url%%\?*}?host=/run/postgresql" || exit 1
    port=$(value SERVER_PORT) ;;
  realtime)
    migrate realtime.schema_migrations -h 127.0.0.1 -p "$(value DB_PORT)" -U "$(value DB_USER)" "$(value DB_NAME)" || exit 1
    port=$(value PORT) ;;
  pgmeta) port=$(value PG_META_PORT) ;;
  studio) port=$(value PORT) ;;
esac
if [ -e "$state/broken-$version" ]; then echo "$name $version is broken"; exit 1; fi
as caddy respond --listen "127.0.0.1:$port" --body '{"data":{"healthy": true}}' &
systemd-notify --ready
wait
"""


def stand_in(machine: Machine) -> None:
    """Put it where the machine's package set has podman."""
    machine.put("/usr/local/bin/podman", _PODMAN, mode="0755")
    machine.run(f"mkdir -p {STATE}")


def images(machine: Machine) -> set[str]:
    """Those it has."""
    return set(machine.run(f"sort -u {STATE}/images").stdout.split())


def calls(machine: Machine, kind: str) -> list[str]:
    """What it was called for since the last time: `pull` gives the references."""
    said = machine.run(f"cat {STATE}/calls 2>/dev/null; rm -f {STATE}/calls", check=False).stdout.splitlines()
    return [line.split(" ", 1)[1] for line in said if line.startswith(f"{kind} ")]
