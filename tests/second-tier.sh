#!/usr/bin/env bash
# Runs the second tier: the tests marked #[ignore], which take minutes.
#
#   second-tier.sh all     every one
#   second-tier.sh slice   in an order drawn from the commit's hash, starting no
#                          further test once SLICE_SECONDS (600) have passed, so
#                          that each commit runs other tests and all get a turn
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mode=${1:?usage: second-tier.sh all|slice}
budget_seconds=${SLICE_SECONDS:-600}
commit=$(git rev-parse HEAD)

# Lines of: directory of the package, test executable, test name.
list_tests() {
    local directory executable
    cargo test --quiet --release --workspace --no-run --message-format json-render-diagnostics |
        sed -nE 's|.*"manifest_path":"([^"]*)/Cargo.toml".*"executable":"([^"]*)".*|\1 \2|p' |
        sort -u |
        while read -r directory executable; do
            # A plain binary is no test executable; only those live in deps/.
            [[ $executable == */deps/* ]] || continue
            (cd "$directory" && "$executable" --ignored --list --format terse) |
                sed -nE "s|^(.*): test$|$directory $executable \1|p"
        done
}

in_order() {
    if [[ $mode == all ]]; then
        sort
    else
        while read -r line; do
            printf '%s %s\n' "$(printf '%s %s' "$commit" "${line##* }" | sha256sum | cut -c1-16)" "$line"
        done | sort | cut -d' ' -f2-
    fi
}

passed=0 failed=0 left=0
failures=()
mapfile -t tests < <(list_tests | in_order)
# A build that failed lists none.
((${#tests[@]})) || { echo "second tier: no test was found" >&2; exit 1; }
SECONDS=0
echo "second tier ($mode): ${#tests[@]} tests, commit $commit"
for line in "${tests[@]}"; do
    read -r directory executable name <<<"$line"
    if [[ $mode == slice ]] && ((SECONDS >= budget_seconds)); then
        left=$((left + 1))
        continue
    fi
    started=$SECONDS
    if (cd "$directory" && "$executable" --ignored --exact "$name"); then
        passed=$((passed + 1))
        verdict=ok
    else
        failed=$((failed + 1))
        failures+=("$name")
        verdict=FAILED
    fi
    echo "second tier: $name: $verdict in $((SECONDS - started)) s"
done

((${#failures[@]} == 0)) || printf 'second tier: failed: %s\n' "${failures[@]}"
echo "second tier: $left left for other commits, ${SECONDS} s in all"
echo "$passed passed, $failed failed"
((failed == 0))
