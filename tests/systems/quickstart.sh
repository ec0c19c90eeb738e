#!/usr/bin/env bash
# Runs the word-count pipeline, over the user's own file when one is named.
#
#   quickstart.sh LONGSHORE [FILE] [OUT]
set -euo pipefail
longshore=$(realpath "${1:?usage: quickstart.sh LONGSHORE [FILE] [OUT]}")
file=${2:-}
out=${3:-}

settings=()
if [[ -n $file ]]; then
    [[ -f $file ]] || { echo "quickstart: FILE=$file is no file" >&2; exit 1; }
    # The connection's root bounds what the source may read: the file's folder.
    settings+=(--set "connections.input.root=$(dirname "$(realpath "$file")")")
    settings+=(--set "connectors.read.path=$(basename "$file")")
fi
if [[ -n $out ]]; then
    mkdir -p "$out"
    out=$(realpath "$out")
    settings+=(--set "connections.output.root=$(dirname "$out")")
    settings+=(--set "connectors.write.path=$(basename "$out")")
fi

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# Each quickstart begins a log of its own, and the sink never mixes files of two
# logs: the default result is made anew. A folder that the user names is theirs.
[[ -n $out ]] || rm -rf out/wordcount
exec "$longshore" run configs/pipelines/wordcount.yaml "${settings[@]}"
