#!/usr/bin/env bash
# Fuzz targets on libFuzzer, built with coverage counters by the stable toolchain.
#
#   run.sh build                  build all targets
#   run.sh run TARGET [OPTION...] FUZZ_SECONDS (120) of one, options are libFuzzer's;
#                                 FUZZ_SEED repeats a run from the same corpus
#   run.sh capture                make the corpus in the tree anew from real clients
#                                 (capture.py), less what brings no coverage; files
#                                 named regression-* stay
#
# What runs find grows $CARGO_TARGET_DIR/fuzz/found/TARGET; an input that fails is
# written to $CARGO_TARGET_DIR/fuzz/failed, and fails again with
# `run.sh run TARGET FILE`.
set -euo pipefail
fuzz_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
usage() { sed -nE '2,/^set/s/^# ?//p' "${BASH_SOURCE[0]}" >&2; exit 2; }

host=$(rustc -vV | sed -n 's/^host: //p')
target_dir=${CARGO_TARGET_DIR:-$fuzz_dir/../../target}/fuzz
mkdir -p "$target_dir"
target_dir=$(cd "$target_dir" && pwd)

build() {
    # Of the compiler's own options none is unstable. With --target they reach
    # neither build scripts nor macros.
    local coverage='-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4'
    coverage+=' -Cllvm-args=-sanitizer-coverage-inline-8bit-counters'
    coverage+=' -Cllvm-args=-sanitizer-coverage-pc-table'
    coverage+=' -Cllvm-args=-sanitizer-coverage-trace-compares'
    RUSTFLAGS=$coverage CARGO_TARGET_DIR=$target_dir \
        cargo build --quiet --release --locked --target "$host" --manifest-path "$fuzz_dir/Cargo.toml"
}

target=${2:-}
corpus=$fuzz_dir/corpus/$target
found=$target_dir/found/$target
program=$target_dir/$host/release/$target
case ${1:-} in
    build) build ;;
    run)
        [[ -f $fuzz_dir/fuzz_targets/$target.rs ]] || usage
        build
        shift 2
        mkdir -p "$found" "$target_dir/failed"
        # Zero would have libFuzzer draw one and not say which in time.
        seed=${FUZZ_SEED:-$((RANDOM * 32768 + RANDOM + 1))}
        echo "fuzz: $target, seed $seed"
        limits=(-rss_limit_mb=2048 -timeout=60 "-artifact_prefix=$target_dir/failed/$target-")
        if [[ ${1:-} != -* && -n ${1:-} ]]; then
            exec "$program" "${limits[@]}" "$@"
        fi
        exec "$program" "${limits[@]}" "-seed=$seed" "-max_total_time=${FUZZ_SECONDS:-120}" \
            -print_final_stats=1 "$@" "$found" "$corpus"
        ;;
    capture)
        build
        cargo build --quiet --package longshore-broker --example broker
        captured=$(mktemp -d)
        trap 'rm -rf "$captured"' EXIT
        "$fuzz_dir/capture.py" "$target_dir/../debug/examples/broker" "$captured/all"
        for all in "$captured/all"/*; do
            target=${all##*/}
            corpus=$fuzz_dir/corpus/$target
            mkdir -p "$corpus" "$captured/kept/$target"
            "$target_dir/$host/release/$target" -merge=1 -timeout=60 "$captured/kept/$target" "$all" 2>/dev/null
            find "$corpus" -type f ! -name 'regression-*' -delete
            mv "$captured/kept/$target"/* "$corpus"/
        done
        du -s --apparent-size -h "$fuzz_dir/corpus"
        ;;
    *) usage ;;
esac
