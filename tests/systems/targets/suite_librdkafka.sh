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
    # One test has a Java program, in source.
    has javac || apt_install openjdk-17-jdk-headless
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
        quietly make -C tests/java "KAFKA_JARS=$cache_dir/java/lib"
    )
    librdkafka_certificates "$folder/certificates"
    stamp "$folder" "${sources[@]}"
}

# Certificates by the names of trivup, which the suite makes its own with: an authority, a
# server, and a client whose key has a password. One authority of all_cas is of no use.
librdkafka_certificates() {
    local folder=$1 name password=pass:longshore
    mkdir -p "$folder"
    (
        cd "$folder" || exit
        for name in unused ca; do
            quietly openssl req -new -x509 -newkey rsa:2048 -nodes -keyout "$name.key" -out "$name.pem" \
                -days 10000 -subj "/CN=$name"
        done
        cat unused.pem ca.pem >all_cas.pem
        quietly openssl x509 -outform der -in ca.pem -out ca.der
        for name in server client; do
            quietly openssl genpkey -algorithm RSA -out "$name.key"
            quietly openssl req -new -key "$name.key" -out "$name.req" -subj "/CN=$name"
            echo 'subjectAltName=DNS:localhost,IP:127.0.0.1' >"$name.ext"
            quietly openssl x509 -req -in "$name.req" -CA ca.pem -CAkey ca.key -CAcreateserial \
                -extfile "$name.ext" -days 10000 -out "$name.pem"
            quietly openssl x509 -outform der -in "$name.pem" -out "$name.der"
            cat ca.pem >>"$name.pem"
        done
        cat server.key server.pem >server.keystore.pem
        quietly openssl pkcs12 -export -out client.pfx -inkey client.key -in client.pem -passout "$password"
        quietly openssl rsa -outform der -in client.key -out client.key.der
        quietly openssl pkey -in client.key -aes256 -passout "$password" -out client.key.pem
    )
}
