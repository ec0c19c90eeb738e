# The packages of node/package-lock.json.
# shellcheck shell=bash

install_node() {
    local sources=("$systems_dir/node/package.json" "$systems_dir/node/package-lock.json")
    local folder=$cache_dir/node
    if ! has node || ! has npm; then
        local missing=()
        has node || missing+=(nodejs)
        has npm || missing+=(npm)
        apt_install "${missing[@]}"
    fi
    stamped "$folder" "${sources[@]}" && return
    say "installing into $folder: kafkajs"
    rm -rf "$folder"
    mkdir -p "$folder"
    cp "${sources[@]}" "$folder"
    quietly npm --prefix "$folder" ci --no-audit --no-fund --no-update-notifier
    stamp "$folder" "${sources[@]}"
}
