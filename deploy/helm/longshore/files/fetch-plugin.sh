#!/bin/sh
# Downloads a plugin and takes it only if it has the digest that it must have.
#
#   fetch-plugin.sh URL SHA256 FILE
set -eu
url=$1 wanted=$2 file=$3
curl --fail --silent --show-error --location --retry 5 --retry-connrefused \
    --connect-timeout 10 --max-time 300 --output "$file.part" "$url"
found=$(sha256sum "$file.part" | cut -d' ' -f1)
if [ "$found" != "$wanted" ]; then
    rm -f "$file.part"
    echo "$url is not taken: its SHA-256 is $found, and should be $wanted" >&2
    exit 1
fi
mv "$file.part" "$file"
