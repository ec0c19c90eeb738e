# rust-rdkafka's tests, compiled, from its crate on crates.io.
# shellcheck shell=bash

# As in Cargo.lock, so that cargo has it already.
rust_rdkafka_crate=rdkafka-0.39.0

install_suite_rust_rdkafka() {
    local folder=$cache_dir/suites/rust_rdkafka
    local sources=("$systems_dir/targets/suite_rust_rdkafka.sh")
    stamped "$folder" "${sources[@]}" && return
    local crate
    (cd "$systems_dir/../.." && quietly cargo fetch --locked)
    for crate in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"$rust_rdkafka_crate"; do break; done
    [[ -d $crate/tests ]] || fail "Cargo.lock no longer has $rust_rdkafka_crate: say here which it has"
    dpkg -s zlib1g-dev >/dev/null 2>&1 || apt_install zlib1g-dev
    say "building rust-rdkafka's tests, which takes minutes"
    rm -rf "$folder"
    mkdir -p "$folder/tests"
    cp -R "$crate" "$folder/source"
    # The only changes to the tests: two know no other broker than localhost:9092.
    sed -i 's/("bootstrap.servers", "localhost")/("bootstrap.servers", get_bootstrap_server())/' \
        "$folder/source/tests/test_high_producers.rs"
    sed -i 's/assert_eq!(broker_metadata\[0\].port(), 9092)/assert!(get_bootstrap_server().ends_with(\&format!(":{}", broker_metadata[0].port())))/' \
        "$folder/source/tests/test_metadata.rs"
    (
        cd "$folder/source" || exit
        export CARGO_TARGET_DIR=$folder/target CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0
        quietly nice -n 10 cargo test --locked --tests --no-run
    )
    # What was built is under names that say from what, and the rest is no longer needed.
    local executable name
    for executable in "$folder"/target/debug/deps/{test_,utils-}*; do
        [[ -x $executable ]] || continue
        name=${executable##*/}
        mv "$executable" "$folder/tests/${name%-*}"
    done
    rm -rf "$folder/target"
    stamp "$folder" "${sources[@]}"
}
