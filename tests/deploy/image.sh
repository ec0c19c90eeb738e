#!/usr/bin/env bash
# Builds deploy/Dockerfile without Docker's engine and without a registry, and runs what
# comes out of it.
#
#   image.sh build BINARY PLUGINS    prints the image's name
#   image.sh podman ARGUMENT...      podman, where that image is
#
# All of the Dockerfile's steps are executed as they stand. What differs is below them:
# both bases are Debian 12 made by debootstrap, that of the build with a compiler as Rust's
# image has one, and there `cargo` and the plugin builder put BINARY and the .wasm files
# of PLUGINS in the place of compiling them.
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
place=${LONGSHORE_CACHE:-$HOME/.cache/longshore}/image
image=localhost/longshore
PATH=$PATH:/usr/sbin

here() {
    local program=$1
    shift
    "$program" --root "$place/store" --runroot "$place/run" "$@"
}

# Debian 12 with nothing but what every Debian has.
make_debian() {
    here podman image exists "$image-debian" && return
    local folder
    folder=$(mktemp -d)
    # shellcheck disable=SC2064
    trap "rm -rf '$folder'" EXIT
    debootstrap --variant=minbase bookworm "$folder" http://deb.debian.org/debian >&2
    rm -f "$folder"/var/cache/apt/archives/*.deb
    tar -C "$folder" -c . | here podman import --quiet - "$image-debian" >&2
    rm -rf "$folder"
}

# The same with a compiler.
make_compiler() {
    here podman image exists "$image-compiler" && return
    printf 'FROM %s-debian\nRUN apt-get update && %s\n' "$image" \
        'apt-get install --yes --no-install-recommends build-essential' |
        bud --tag "$image-compiler" - >&2
}

# The same with a Rust toolchain that has compiled everything already.
make_rust() {
    local binary=$1 plugins=$2 folder
    folder=$(mktemp -d)
    mkdir -p "$folder"/made/{release,plugins,wasm} "$folder/bin"
    cp "$binary" "$folder/made/release/longshore"
    cp "$plugins"/*.wasm "$folder/made/plugins"
    touch "$folder/made/wasm/libstd-.rlib"
    printf '#!/bin/sh\nexec cp -r /made/plugins target/\n' >"$folder/made/release/longshore-plugin-build"
    printf '#!/bin/sh\nmkdir -p target && exec cp -r /made/release target/\n' >"$folder/bin/cargo"
    printf '#!/bin/sh\necho /made/wasm\n' >"$folder/bin/rustc"
    chmod +x "$folder"/bin/* "$folder"/made/release/*
    printf 'FROM %s-compiler\nCOPY bin /usr/local/bin\nCOPY made /made\n' "$image" >"$folder/Dockerfile"
    bud --tag "$image-rust" "$folder" >&2
    rm -rf "$folder"
}

# No more open files than this machine lets anybody have.
bud() {
    local files
    files=$(ulimit -Hn)
    here buildah bud --isolation chroot --network host --format docker \
        --ulimit "nofile=$files:$files" "$@"
}

case ${1:-} in
    build)
        make_debian
        make_compiler
        make_rust "$2" "$3"
        bud --build-arg "RUST=$image-rust" --build-arg "DEBIAN=$image-debian" \
            --file "$repository/deploy/Dockerfile" --tag "$image" "$repository" >&2
        echo "$image"
        ;;
    podman)
        shift
        here podman --cgroup-manager cgroupfs --runtime runc "$@"
        ;;
    *)
        sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
        exit 2
        ;;
esac
