#!/bin/bash
# base.sh OUT PACKAGES DEBS -- unpacks Debian trixie with the packages listed in the file PACKAGES into the new directory OUT.
#
# DEBS keeps the downloaded .deb files between builds. The mirrors are those of this machine's apt configuration, or
# TESTHOST_MIRROR (a Debian archive root: the address before /dists); TESTHOST_SECURITY_MIRROR likewise, "" for none.
set -euo pipefail
out=$1 packages=$2 debs=$3 suite=trixie
uris() { apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | sed 's|/*$||' | sort -u; }
mirror=${TESTHOST_MIRROR-$(uris | grep '/debian$' | head -1)}
security=${TESTHOST_SECURITY_MIRROR-$(uris | grep '/debian-security$' | head -1)}
[ -n "$mirror" ] || {
  echo "base.sh: this machine's apt configuration names no Debian mirror; set TESTHOST_MIRROR" >&2
  exit 1
}
sources=("deb $mirror $suite main" "deb $mirror $suite-updates main")
[ -z "$security" ] || sources+=("deb $security $suite-security main")
mkdir -p "$debs"
export DEBS=$debs
# postgresql's man directory must stay: update-alternatives fails without it
mmdebstrap --quiet --mode=root --variant=minbase --include="$(paste -sd, "$packages")" \
  --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Check-Date "false"' \
  --dpkgopt=force-unsafe-io --dpkgopt=force-confold \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --skip=essential/unlink --skip=cleanup/apt \
  --setup-hook='mkdir -p "$1/var/cache/apt/archives"; cp -an "$DEBS"/*.deb "$1/var/cache/apt/archives/" 2>/dev/null || true' \
  --essential-hook='mkdir -p "$1/etc/postgresql-common/createcluster.d"; echo "create_main_cluster = false" > "$1/etc/postgresql-common/createcluster.d/testhost.conf"' \
  --customize-hook='cp -an "$1"/var/cache/apt/archives/*.deb "$DEBS/" || true; rm -f "$1"/var/cache/apt/archives/*.deb; rm -rf "$1"/var/lib/apt/lists/* "$1"/etc/ssh/ssh_host_*' \
  "$suite" "$out" "${sources[@]}"
