#!/bin/sh
# Boots the machine stopped before its first instruction and attaches gdb to it.
# usage: gdb.sh LAUNCHER-COMMAND...   (GDB_PORT, default 1234; GDB, default gdb-multiarch)
set -eu
port=${GDB_PORT:-1234}
gdb=${GDB:-$(command -v gdb-multiarch || echo gdb)}
"$@" --gdb "$port" --serial build/serial.log &
machine=$!
trap 'kill $machine 2>/dev/null || true' EXIT
echo "the serial line goes to build/serial.log"
"$gdb" -ex 'set architecture aarch64' -ex "target remote 127.0.0.1:$port" target/aarch64-unknown-none-softfloat/kernel/weft
