#!/bin/sh
# Fetches Debian's static arm64 busybox and unpacks it to OUT/busybox.
set -eu
out=${1:?usage: fetch-busybox.sh OUT}
[ -x "$out/busybox" ] && exit 0
package=$out/busybox-static
"$(dirname "$0")/../qemu-configs/debian-package.sh" busybox-static "$package"
cp "$package/bin/busybox" "$out/busybox"
rm -rf "$package"
