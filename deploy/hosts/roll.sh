#!/usr/bin/env bash
# Restarts the workers of a fleet one after the other. Each drains and hands its
# tasks over; the next one's turn comes once it is a member of the fleet again.
#
#   roll.sh HOST...
#
# REST_SCHEME (http) and REST_PORT (8083) say where the workers' REST is. RESTART is a
# program that restarts the worker of the host that it is given, and returns when it
# serves; unless set, systemctl over ssh.
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

health() {
    curl --fail --silent --show-error --output /dev/null --max-time 5 \
        "${REST_SCHEME:-http}://$1:${REST_PORT:-8083}/health"
}

for host in "$@"; do
    # A fleet that is not whole is not rolled further: nobody would notice what is missing.
    health "$host" || { echo "roll: $host is not healthy: nothing more is restarted" >&2; exit 1; }
    echo "roll: $host"
    restart "$host"
    deadline=$((SECONDS + wait_seconds))
    until health "$host" 2>/dev/null; do
        if ((SECONDS >= deadline)); then
            echo "roll: $host is not healthy after $wait_seconds s: nothing more is restarted" >&2
            exit 1
        fi
        sleep 1
    done
done
echo "roll: $# workers were restarted"
