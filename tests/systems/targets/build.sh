# What the C parts of the dependencies (librdkafka, zstd, zlib, OpenSSL) are built with.
# shellcheck shell=bash

install_build() {
    local missing=()
    if ! echo '#include <stdlib.h>' | cc -E - >/dev/null 2>&1; then
        missing+=(gcc libc6-dev)
    fi
    has c++ || missing+=(g++)
    has make || missing+=(make)
    has cmake || missing+=(cmake)
    # librdkafka's TLS and SCRAM.
    if ! echo '#include <openssl/ssl.h>' | cc -E - >/dev/null 2>&1; then
        missing+=(libssl-dev)
    fi
    has pkg-config || missing+=(pkg-config)
    if ((${#missing[@]})); then
        apt_install "${missing[@]}"
    fi
    has cargo || fail "cargo is missing: install a Rust toolchain (see rust-version in Cargo.toml)"
}
