#!/bin/sh
# Fetches what Linux needs for a login over SSH: prepare.sh OUT. Debian's dropbear and its libraries
# go below OUT/root; OUT/host_key is Weft's own host key in dropbear's form.
set -eu
out=${1:?usage: prepare.sh OUT}
here=$(dirname "$0")
[ -x "$out/root/usr/sbin/dropbear" ] ||
    "$here/../debian-package.sh" 'dropbear-bin libtomcrypt1 libtommath1 libgmp10 libcrypt1 zlib1g libc6' "$out/root"

# An OpenSSH key file without a passphrase has its Ed25519 key at a fixed place (openssh-key-v1,
# PROTOCOL.key): the type at byte 106, seed and public half at byte 157. Dropbear's is just those.
raw=$out/host_key.raw
sed '/^-/d' build/ssh/host_key | base64 -d > "$raw"
{ tail -c +107 "$raw" | head -c 15; tail -c +158 "$raw" | head -c 68; } > "$out/host_key"
rm "$raw"
