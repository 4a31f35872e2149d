#!/bin/sh
# Unpacks Debian's arm64 packages: debian-package.sh NAME OUT, or 'NAME NAME...' OUT.
# A name that is only a pointer to another package (linux-image-cloud-arm64) is followed once.
# apt verifies the signatures; everything it keeps is private below OUT, so the host's own
# package lists, architectures and installed packages stay as they are.
set -eu
name=${1:?usage: debian-package.sh NAME OUT} out=${2:?usage: debian-package.sh NAME OUT}
for tool in apt-get apt-cache dpkg-deb; do
    command -v "$tool" >/dev/null || { echo "$name: no $tool on this computer" >&2; exit 3; }
done
mkdir -p "$out"
out=$(cd "$out" && pwd)
private=$out/.apt
trap 'rm -rf "$private"' EXIT
mkdir -p "$private/state/lists/partial" "$private/cache/archives/partial" "$private/preferences"
: > "$private/status"

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
mirror=$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | head -1 | tr -d ' ')
suite=$(. /etc/os-release; [ "${ID:-}" = debian ] && echo "${VERSION_CODENAME:-stable}" || echo stable)
echo "deb [signed-by=$keyring] ${mirror:-http://deb.debian.org/debian} $suite main" > "$private/sources.list"

with_private() {
    tool=$1; shift
    "$tool" -o APT::Architecture=arm64 -o APT::Architectures=arm64 \
        -o Dir::State="$private/state" -o Dir::State::status="$private/status" \
        -o Dir::Cache="$private/cache" -o Dir::Etc::sourcelist="$private/sources.list" \
        -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferencesparts="$private/preferences" \
        -o Acquire::Languages=none -o APT::Sandbox::User=root "$@"
}

echo "$name: fetching from Debian for arm64"
with_private apt-get -qq update
for package in $name; do
    target=$(with_private apt-cache depends "$package" | sed -n "s/^ *Depends: \(${package%-cloud-arm64}-[0-9].*\)/\1/p" | head -1)
    (cd "$private" && with_private apt-get -qq download "${target:-$package}")
done
for file in "$private"/*.deb; do
    dpkg-deb --extract "$file" "$out"
done
