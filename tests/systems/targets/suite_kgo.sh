# The tests of franz-go's package kgo, compiled, from the Go module proxy.
# shellcheck shell=bash

kgo_version=v1.22.2

install_suite_kgo() {
    local folder=$cache_dir/suites/kgo
    local sources=("$systems_dir/targets/suite_kgo.sh")
    stamped "$folder" "${sources[@]}" && return
    # Debian 12's own go cannot fetch the toolchain that the module asks for.
    has go || fail "the suite kgo needs go 1.21 or later: see https://go.dev/doc/install"
    say "building franz-go's tests"
    rm -rf "$folder"
    mkdir -p "$folder"
    local module
    module=$(cd "$folder" && go mod download -json "github.com/twmb/franz-go@$kgo_version" | sed -n 's/^.*"Dir": "\(.*\)".*$/\1/p')
    [[ -d $module ]] || fail "go did not download github.com/twmb/franz-go $kgo_version"
    cp -R "$module" "$folder/source"
    chmod -R u+w "$folder/source"
    (cd "$folder/source/pkg/kgo" && quietly nice -n 10 go test -c -o "$folder/kgo.test" .)
    stamp "$folder" "${sources[@]}"
}
