#!/usr/bin/env bash
# Installs Longshore as a service of systemd on this machine. Run again it puts the
# newer binary, plugins and unit in their places, and leaves configurations alone.
#
#   install.sh broker|worker [--binary FILE] [--plugins FOLDER]
#
# DESTDIR=FOLDER puts everything below a folder instead, and makes no user.
set -euo pipefail
called_from=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]##*/}" >&2
    exit 2
}

fail() {
    printf 'install: %s\n' "$*" >&2
    exit 1
}

# What was given is meant from where the caller is.
given() {
    (cd "$called_from" && realpath -m -- "$1")
}

role=${1:-}
[[ $role == broker || $role == worker ]] || usage
shift
binary=../../target/release/longshore
plugins=../../target/plugins
while (($#)); do
    case $1 in
        --binary) binary=$(given "${2:?--binary FILE}") ;;
        --plugins) plugins=$(given "${2:?--plugins FOLDER}") ;;
        *) usage ;;
    esac
    shift 2
done
[[ -x $binary ]] || fail "$binary is no program: build it with \`make plugins\`, or name another with --binary"
# All that is missing is said before anything is replaced.
if [[ $role == worker ]]; then
    found=("$plugins"/*.wasm)
    [[ -e ${found[0]} ]] || fail "$plugins has no plugins: build them with \`make plugins\`, or name another folder with --plugins"
fi

root=${DESTDIR:-}
group=()
if [[ -z $root ]]; then
    ((EUID == 0)) || fail "run it as root"
    group=(--group longshore)
    install -D --mode 644 longshore.sysusers /usr/lib/sysusers.d/longshore.conf
    systemd-sysusers /usr/lib/sysusers.d/longshore.conf
fi

# A running process keeps the file that it began with: a new one takes its name.
install -D --mode 755 "$binary" "$root/usr/bin/longshore.new"
mv "$root/usr/bin/longshore.new" "$root/usr/bin/longshore"
install -D --mode 644 README.md "$root/usr/share/doc/longshore/README.md"
install -D --mode 644 "longshore-$role.service" "$root/usr/lib/systemd/system/longshore-$role.service"
if [[ $role == worker ]]; then
    install --directory "$root/usr/lib/longshore/plugins" "$root/var/lib/longshore/plugins"
    install --mode 644 "${found[@]}" "$root/usr/lib/longshore/plugins"
fi
install --directory --mode 750 "${group[@]}" "$root/etc/longshore"
if [[ ! -e $root/etc/longshore/$role.yaml ]]; then
    install --mode 640 "${group[@]}" "$role.yaml" "$root/etc/longshore/$role.yaml"
    printf 'install: look over %s, then: systemctl enable --now longshore-%s\n' "/etc/longshore/$role.yaml" "$role"
else
    printf 'install: to take the new version: systemctl restart longshore-%s\n' "$role"
fi
[[ -n $root ]] || systemctl daemon-reload
