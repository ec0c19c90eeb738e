# librdkafka's tests, built from the source inside a crate of crates.io.
# shellcheck shell=bash

# As in Cargo.lock, so that cargo has it already.
librdkafka_crate=rdkafka-sys-4.10.0+2.12.1

install_suite_librdkafka() {
    local folder=$cache_dir/suites/librdkafka
    local sources=("$systems_dir/targets/suite_librdkafka.sh")
    # Of the libraries, those that tests need: else they skip themselves.
    local packages=(libssl-dev libzstd-dev zlib1g-dev rapidjson-dev)
    stamped "$folder" "${sources[@]}" && return
    local crate
    (cd "$systems_dir/../.." && quietly cargo fetch --locked)
    for crate in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"$librdkafka_crate"; do break; done
    [[ -d $crate/librdkafka/tests ]] || fail "Cargo.lock no longer has $librdkafka_crate: say here which it has"
    dpkg -s "${packages[@]}" >/dev/null 2>&1 || apt_install "${packages[@]}"
    say "building librdkafka's tests, which takes minutes"
    rm -rf "$folder"
    mkdir -p "${folder%/*}"
    cp -R "$crate/librdkafka" "$folder"
    chmod +x "$folder/configure" "$folder/lds-gen.py"
    # The only change to the tests: some ask for three replicas, without need of them.
    sed -i 's/NewTopic_new(topicname, partition_cnt, replication_factor,/NewTopic_new(topicname, partition_cnt, 1,/' \
        "$folder/tests/test.c"
    (
        cd "$folder" || exit
        quietly ./configure --disable-curl
        quietly nice -n 10 make -j2 libs
        quietly nice -n 10 make -j2 -C tests test-runner
    )
    stamp "$folder" "${sources[@]}"
}
