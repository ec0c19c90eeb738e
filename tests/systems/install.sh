#!/usr/bin/env bash
# Installs what building and testing Longshore need, and nothing twice: a
# target whose work is done says nothing. Debian 12 with a Rust toolchain is
# the only assumption.
set -euo pipefail

systems_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/systems/common.sh
source "$systems_dir/common.sh"

usage() {
    cat <<'USAGE'
usage: tests/systems/install.sh TARGET...

  build    C and C++ compiler, make, cmake (librdkafka, zstd)
  wasm     a standard library and a linker for wasm32-unknown-unknown, for
           building plugins
  kcat     Debian's kcat
  python   a Python environment with confluent-kafka, fastavro,
           prometheus_client and kafka-connect-py
  node     Node.js and kafkajs
  java     a JVM and Kafka's own clients and tools
  moto     a server that answers as S3 does, and boto3
  opensearch  OpenSearch as a library, and a program that runs one node of it
  postgresql  Debian's PostgreSQL; the tests start its server themselves
  all      every one of these

  helm     Helm, and the schemas that its manifests are checked against
  hadolint what looks over the Dockerfile
  image    what builds and runs it without Docker's engine
  httpd    Apache's web server, for TLS and passwords before another server
  mariadb  Debian's MariaDB; the tests start its server themselves
  minio    MinIO, a server of S3; builds for many minutes
  registry Apicurio Registry, a schema registry with Confluent's API, and
           Confluent's client
  promtool Prometheus, which tries the alerting rules and the dashboards
  systemd  what looks over the units of deploy/hosts

  suites   the test suites of others that tests/conformance runs, each also
           by its name: suite_librdkafka suite_rust_rdkafka suite_kgo
           suite_kafka_python suite_java

Needs root or sudo only when a Debian package is missing. What is not a Debian
package goes to ${LONGSHORE_CACHE:-$HOME/.cache/longshore}.
USAGE
}

targets=(build wasm kcat python node java moto opensearch postgresql)
suites=(suite_librdkafka suite_rust_rdkafka suite_kgo suite_kafka_python suite_java)

main() {
    if (($# == 0)); then
        usage >&2
        exit 2
    fi
    local wanted=("$@") target
    if [[ $1 == all ]]; then
        wanted=("${targets[@]}")
    elif [[ $1 == suites ]]; then
        # Java's own target holds the command-line tools that suites call.
        wanted=(build java "${suites[@]}")
    fi
    for target in "${wanted[@]}"; do
        case $target in
            -h | --help) usage && exit 0 ;;
            build | wasm | kcat | python | node | java | moto | opensearch | postgresql | suite_*) ;;
            # The tests that need these install them when they begin.
            helm | hadolint | httpd | image | mariadb | minio | promtool | registry | systemd) ;;
            *) usage >&2 && fail "unknown target '$target'" ;;
        esac
    done
    # Two installations at once would trip over each other in apt and in the
    # cache; the second waits, then finds its work done.
    mkdir -p "$cache_dir"
    exec 9>"$cache_dir/install.lock"
    flock 9
    for target in "${wanted[@]}"; do
        # shellcheck source=/dev/null
        source "$systems_dir/targets/$target.sh"
        "install_$target"
    done
}

main "$@"
