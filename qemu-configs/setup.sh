#!/bin/sh
# Finds or installs what Weft is built and run with, and writes what it found for make.
#
#   usage: setup.sh OUT.mk
#
# Two ways to Rust, tried in this order (WEFT_RUST=rustup|distribution takes only one):
#   rustup        the toolchain and targets that rust-toolchain.toml names
#   distribution  Debian's rustc-web, cargo-web and rust-web-src; core, alloc and std are built
#                 from its source for the two AArch64 targets
# Everything else comes from apt (Debian, Ubuntu) or brew (macOS; written, not yet tested).
#
# WEFT_NO_INSTALL=1 installs nothing: it prints what is missing and exits with status 3.
# Running it again changes nothing when nothing is missing.
set -eu

out=${1:?usage: setup.sh OUT.mk}
top=$(cd "$(dirname "$0")/.." && pwd)
channel=$(sed -n 's/^channel *= *"\(.*\)"/\1/p' "$top/rust-toolchain.toml")
kernel_target=aarch64-unknown-none-softfloat
user_target=aarch64-unknown-linux-musl
no_install=${WEFT_NO_INSTALL:-}
wanted=${WEFT_RUST:-any}
missing=

say() { echo "setup: $*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

# --- packages ---------------------------------------------------------------------------

updated=
# install WHAT-FOR APT-PACKAGES BREW-PACKAGES
install() {
    if [ -n "$no_install" ]; then
        say "missing: $1 (Debian: $2; macOS: ${3:-none})"
        missing=1
        return 1
    fi
    say "installing $1: $2"
    if have apt-get; then
        sudo=
        [ "$(id -u)" = 0 ] || sudo=sudo
        [ -n "$updated" ] || $sudo apt-get -qq update >&2 || say "the package lists could not be renewed"
        updated=1
        # shellcheck disable=SC2086  # several packages are several words
        DEBIAN_FRONTEND=noninteractive $sudo apt-get -qq install -y --no-install-recommends $2 >&2
    elif have brew && [ -n "${3:-}" ]; then
        # shellcheck disable=SC2086
        brew install $3 >&2
    else
        say "neither apt nor brew is here: please install $1 by hand"
        missing=1
        return 1
    fi
}

need() { # need PROGRAM APT BREW
    have "$1" || install "$1" "$2" "${3:-}" || true
}

need qemu-system-aarch64 qemu-system-arm qemu
need ssh openssh-client openssh
need cc gcc ""
if ! have aarch64-linux-gnu-gcc && ! have aarch64-linux-musl-gcc; then
    install "an AArch64 C compiler" "gcc-aarch64-linux-gnu libc6-dev-arm64-cross" "filosottile/musl-cross/musl-cross" || true
fi
if ! have dpkg-deb && ! have ar; then
    install "dpkg-deb" dpkg dpkg || true
fi

# --- Rust -------------------------------------------------------------------------------

# Sets `cargo` when rustup has, or can fetch, the toolchain with both targets.
try_rustup() {
    have rustup || { say "rustup is not here"; return 1; }
    toolchain=$channel
    if ! rustup run "$toolchain" rustc --version >/dev/null 2>&1; then
        if [ -n "$no_install" ]; then
            say "missing: Rust $toolchain (rustup toolchain install $toolchain)"
            return 1
        fi
        say "installing Rust $toolchain with rustup"
        rustup toolchain install "$toolchain" --profile minimal -c clippy -c rustfmt >&2 || return 1
    fi
    for target in $kernel_target $user_target; do
        root=$(rustup run "$toolchain" rustc --print sysroot) || return 1
        if ! [ -d "$root/lib/rustlib/$target/lib" ]; then
            if [ -n "$no_install" ]; then
                say "missing: Rust target $target (rustup target add $target)"
                return 1
            fi
            say "adding Rust target $target with rustup"
            rustup target add --toolchain "$toolchain" "$target" >&2 || return 1
        fi
    done
    cargo="rustup run $toolchain cargo"
    say "Rust $toolchain by rustup"
    write_rustup
}

write_rustup() {
    cat > "$out" <<EOF
# Written by qemu-configs/setup.sh: Rust by rustup.
export CARGO := cargo
KERNEL_TARGET := $kernel_target
USER_TARGET   := $user_target
EOF
}

# Debian's Rust has no AArch64 libraries and no rust-lld: both come from elsewhere.
try_distribution() {
    if ! [ -x /usr/bin/cargo ] || ! [ -x /usr/bin/rustc ] || ! library_source >/dev/null; then
        install "Rust with its source" "rustc-web cargo-web rust-web-src" "" || return 1
    fi
    source=$(library_source) || { say "the distribution's Rust has no library source"; return 1; }
    have aarch64-linux-gnu-ld || install "an AArch64 linker" binutils-aarch64-linux-gnu "" || return 1
    say "$(/usr/bin/rustc --version) of the distribution; core and std from $source"
    cat > "$out" <<EOF
# Written by qemu-configs/setup.sh: the distribution's Rust, building its own libraries.
export CARGO := /usr/bin/cargo
export RUSTC := /usr/bin/rustc
export RUSTC_BOOTSTRAP := 1
KERNEL_TARGET := $kernel_target
KERNEL_FLAGS  := -Zbuild-std=core,alloc,compiler_builtins -Zbuild-std-features=compiler-builtins-mem
USER_TARGET   := aarch64-unknown-linux-gnu
USER_FLAGS    := -Zbuild-std=std,panic_abort
export CARGO_TARGET_AARCH64_UNKNOWN_NONE_SOFTFLOAT_LINKER := aarch64-linux-gnu-ld
export CARGO_TARGET_AARCH64_UNKNOWN_NONE_SOFTFLOAT_RUSTFLAGS := -Clinker-flavor=ld
EOF
}

library_source() {
    root=$(/usr/bin/rustc --print sysroot 2>/dev/null) || return 1
    [ -f "$root/lib/rustlib/src/rust/library/std/Cargo.toml" ] && echo "$root/lib/rustlib/src/rust/library"
}

case $wanted in
    rustup)       try_rustup || missing=1 ;;
    distribution) try_distribution || missing=1 ;;
    *)            try_rustup || try_distribution || missing=1 ;;
esac

if [ -n "$missing" ]; then
    rm -f "$out"
    [ -n "$no_install" ] && exit 3
    say "something is still missing, see above"
    exit 1
fi
say "all there"
