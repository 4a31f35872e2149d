#!/bin/sh
# The keys of this checkout, made once and never committed: OUT/id_ed25519 logs in,
# OUT/host_key names the machine. Whoever builds may log in with their own keys too.
set -eu
out=${1:?usage: keys.sh OUT}
mkdir -p "$out"
chmod 700 "$out"
[ -f "$out/id_ed25519" ] || ssh-keygen -q -t ed25519 -N '' -C weft-checkout -f "$out/id_ed25519"
[ -f "$out/host_key" ] || ssh-keygen -q -t ed25519 -N '' -C weft -f "$out/host_key"

cat "$out/id_ed25519.pub" "$HOME"/.ssh/*.pub > "$out/authorized_keys.new" 2>/dev/null || true
cmp -s "$out/authorized_keys.new" "$out/authorized_keys" || cp "$out/authorized_keys.new" "$out/authorized_keys"
rm "$out/authorized_keys.new"

echo "weft $(cut -d' ' -f1,2 "$out/host_key.pub")" > "$out/known_hosts"
folder=$(cd "$out" && pwd)
cat > "$out/config" <<EOF
Host weft
    HostName 127.0.0.1
    User root
    HostKeyAlias weft
    IdentityFile "$folder/id_ed25519"
    IdentitiesOnly yes
    UserKnownHostsFile "$folder/known_hosts"
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    LogLevel ERROR
EOF
