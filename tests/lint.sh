#!/usr/bin/env bash
# The checks of `make lint` that are not cargo's own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

failed=0
complain() {
    printf 'lint: %s\n' "$*" >&2
    failed=1
}

# A connector lives in its plugin alone: deleting the .wasm file must make it
# unknown, so the binary may not have it linked in.
linked=$(cargo tree --quiet --package longshore --edges normal,build --prefix none)
guests=$(grep -E '^longshore-(connector|example)-' <<<"$linked" || true)
[[ -z $guests ]] || complain "the binary links guest crates: $guests"

# Faults on purpose are for programs that take the binary's place in tests.
features=$(cargo tree --quiet --package longshore --edges normal,build --prefix none --format '{p} {f}')
grep -E '^longshore.*\bsabotage\b' <<<"$features" && complain "the binary has the feature sabotage"

# OpenSSL is librdkafka's alone: our own connections use rustls.
users=$(cargo tree --quiet --package longshore --edges normal,build --prefix none --depth 1 --invert openssl-sys |
    sed 1d | cut -d' ' -f1 | sort -u | tr '\n' ' ')
[[ $users == "rdkafka-sys " ]] || complain "OpenSSL is used by: $users"

binary=${CARGO_TARGET_DIR:-target}/release/longshore
mapfile -t pipelines < <(git ls-files 'configs/pipelines/*.yaml')
if ((${#pipelines[@]})); then
    # Options are checked against the plugins, which `make lint` has built.
    "$binary" lint "${pipelines[@]}" || complain "configs do not lint"
fi

# The fuzz targets are a workspace of their own, which nothing else in the first
# tier builds: what the broker depends on must be in their lock file too.
cargo metadata --quiet --locked --format-version 1 --manifest-path broker/fuzz/Cargo.toml >/dev/null ||
    complain "broker/fuzz/Cargo.lock is behind: run cargo metadata --manifest-path broker/fuzz/Cargo.toml"

# Dependencies name their registry only as cargo's own index does.
if hosts=$(git grep -nE '"resolved": *"https?://' -- '*package-lock.json'); then
    complain "a lock file names a registry host: $hosts"
fi

if command -v shellcheck >/dev/null; then
    # The targets are sourced by install.sh, which assigns what they refer to.
    git ls-files '*.sh' '.ci/run' | xargs shellcheck --external-sources --exclude=SC2034,SC2154 ||
        complain "shellcheck"
fi

exit "$failed"
