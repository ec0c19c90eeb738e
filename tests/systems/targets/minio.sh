# MinIO's server, from the Go module proxy. Building it takes many minutes.
# shellcheck shell=bash

# Its releases are no versions that Go knows: the last commit, as of February 2026.
minio_version=v0.0.0-20260212201848-7aac2a2c5b7c

install_minio() {
    local folder=$cache_dir/minio
    local sources=("$systems_dir/targets/minio.sh")
    stamped "$folder" "${sources[@]}" && [[ -x $folder/minio ]] && return
    # Debian 12's own go cannot fetch the toolchain that the module asks for.
    has go || fail "MinIO needs go 1.24 or later: see https://go.dev/doc/install"
    say "building MinIO $minio_version, which takes many minutes"
    rm -rf "$folder"
    mkdir -p "$folder"
    quietly env GOBIN="$folder" nice -n 10 \
        go install -trimpath -ldflags '-s -w' "github.com/minio/minio@$minio_version"
    stamp "$folder" "${sources[@]}"
}
