#!/bin/sh
# Fetches Debian's static arm64 busybox and unpacks it to OUT/busybox.
# apt verifies the signatures; everything it keeps is private below OUT, so the host's own
# package lists, architectures and installed packages stay as they are.
set -eu
out=${1:?usage: fetch-busybox.sh OUT}
[ -x "$out/busybox" ] && exit 0
private=$out/apt
mkdir -p "$private/state/lists/partial" "$private/cache/archives/partial" "$private/preferences"
: > "$private/status"

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
mirror=$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | head -1 | tr -d ' ')
suite=$(. /etc/os-release; [ "${ID:-}" = debian ] && echo "${VERSION_CODENAME:-stable}" || echo stable)
echo "deb [signed-by=$keyring] ${mirror:-http://deb.debian.org/debian} $suite main" > "$private/sources.list"

apt() {
    apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 \
        -o Dir::State="$private/state" -o Dir::State::status="$private/status" \
        -o Dir::Cache="$private/cache" -o Dir::Etc::sourcelist="$private/sources.list" \
        -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferencesparts="$private/preferences" \
        -o Acquire::Languages=none -o APT::Sandbox::User=root "$@"
}

echo "busybox: fetching Debian's arm64 package"
private=$(cd "$private" && pwd)
apt update
(cd "$private" && apt download busybox-static)
dpkg-deb --extract "$private"/busybox-static_*.deb "$private/unpacked"
cp "$private/unpacked/bin/busybox" "$out/busybox"
rm -rf "$private"
