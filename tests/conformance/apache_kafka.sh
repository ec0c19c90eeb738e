#!/usr/bin/env bash
# Apache Kafka behind the command line of `longshore server`: with
# LONGSHORE_BIN=tests/conformance/apache_kafka.sh the end-to-end tests of the
# broker run against Kafka itself, which shows whether a test is right.
#
#   apache_kafka.sh server -c node.yaml
set -euo pipefail

[[ $# == 3 && $1 == server && $2 == -c ]] || { echo "usage: $0 server -c node.yaml" >&2; exit 2; }
node_file=$3
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
jars="${LONGSHORE_CACHE:-$HOME/.cache/longshore}/java/lib/*"
logging=$repository/tests/systems/java/log4j2.properties

property() { sed -nE "s|^$1: *(.*)$|\1|p" "$node_file"; }

# Kafka's tools do not print the port that port 0 became: take a free one here.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

listener=$(property listeners)
port=${listener##*:}
if ((port == 0)); then
    port=$(free_port)
fi
controller_port=$(free_port)
node_id=$(property node.id)
log_dir=$(property log.dirs)

properties=$(mktemp --suffix .properties)
{
    sed -nE 's|^([a-z.]+): *(.*)$|\1=\2|p' "$node_file" | grep -vE '^(listeners|process.roles)='
    cat <<CONFIG
process.roles=broker,controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller_port
controller.listener.names=CONTROLLER
controller.quorum.voters=$node_id@127.0.0.1:$controller_port
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
CONFIG
} >"$properties"

run_java() { java -XX:TieredStopAtLevel=1 -Xmx512m "-Dlog4j2.configurationFile=$logging" -cp "$jars" "$@"; }

if [[ ! -f $log_dir/meta.properties ]]; then
    run_java kafka.tools.StorageTool format --ignore-formatted --cluster-id AAAAAAAAAAAAAAAAAAAAAA \
        --config "$properties" >/dev/null
fi

# This shell must become the broker, so that a kill hits it: the ready line
# comes from a watcher beside it.
(
    until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.1; done
    echo "longshore ready kafka=127.0.0.1:$port"
) &
exec java -XX:TieredStopAtLevel=1 -Xmx512m "-Dlog4j2.configurationFile=$logging" -cp "$jars" kafka.Kafka "$properties"
