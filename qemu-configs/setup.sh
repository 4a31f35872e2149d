#!/bin/sh
echo "KERNEL_TARGET := aarch64-unknown-none-softfloat" > "$1"
