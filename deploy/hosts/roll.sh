#!/usr/bin/env bash
# Restarts the workers of a fleet one after the other. Each drains and hands its
# tasks over; the next one's turn comes once it is a member of the fleet again.
#
#   roll.sh HOST...
#
# REST_SCHEME (http) and REST_PORT (8083) say where the workers' REST is, CURL_CA_BUNDLE
# which authorities are trusted, WAIT_SECONDS (180) how long a worker may take to come
# back. RESTART is a program that restarts the worker of the host that it is given, and
# returns when it serves; unless set, systemctl over ssh.
set -euo pipefail
(($#)) || { echo 'usage: roll.sh HOST...' >&2; exit 2; }

wait_seconds=${WAIT_SECONDS:-180}

restart() {
    if [[ -n ${RESTART:-} ]]; then
        "$RESTART" "$1"
    else
        ssh "$1" sudo systemctl restart longshore-worker
    fi
}

# What a load balancer asks, too: 200 for a member of the fleet, without a password.
ready() {
    curl --fail --silent --output /dev/null --max-time 5 \
        "${REST_SCHEME:-http}://$1:${REST_PORT:-8083}/health/ready"
}

stop() {
    echo "roll: $*: nothing more is restarted" >&2
    exit 1
}

# A fleet that is not whole is not rolled: nobody would notice what is missing.
for host in "$@"; do
    ready "$host" || stop "$host is not ready"
done
for host in "$@"; do
    ready "$host" || stop "$host is not ready"
    echo "roll: $host"
    restart "$host" || stop "$host was not restarted"
    deadline=$((SECONDS + wait_seconds))
    until ready "$host"; do
        ((SECONDS < deadline)) || stop "$host is not ready after $wait_seconds s"
        sleep 1
    done
done
echo "roll: $# workers were restarted"
