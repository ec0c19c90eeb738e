#!/usr/bin/env bash
# One suite, drawn from the commit's hash, and of it the tests that the same hash
# draws, two minutes of them: each commit tries others, and only the suite that is
# drawn is installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

commit=$(git rev-parse HEAD)
suites=(librdkafka rust_rdkafka kgo kafka_python java)
suite=${suites[0x${commit:0:6} % ${#suites[@]}]}
# Tests of all suites call Kafka's own tools.
../systems/install.sh build java "suite_$suite"
echo "conformance slice: $suite, commit $commit"
./run.py "$suite" --slice "$commit" 120
