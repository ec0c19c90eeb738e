# Sourced by install.sh: what all targets share.
# shellcheck shell=bash

cache_dir=${LONGSHORE_CACHE:-$HOME/.cache/longshore}

say() { printf 'setup: %s\n' "$*"; }

fail() {
    printf 'setup: error: %s\n' "$*" >&2
    exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

as_root() {
    if ((EUID == 0)); then
        "$@"
    elif has sudo; then
        sudo "$@"
    else
        fail "'$*' needs root: run it as root, or install sudo"
    fi
}

# Installs Debian packages. The package lists are refreshed only when apt does
# not know a package, since that takes longer than most installations.
apt_install() {
    has apt-get || fail "needs the packages $*, and there is no apt-get to install them with"
    say "installing Debian packages: $*"
    if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null 2>&1; then
        say "refreshing the package lists"
        quietly as_root apt-get update -qq
        quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@"
    fi
}

# quietly COMMAND...: shows what a command prints only when it fails.
quietly() {
    local log
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        fail "failed: $*"
    fi
    rm -f "$log"
}

# stamped DIR FILE...: true when DIR was installed whole from just these files.
stamped() {
    local dir=$1
    shift
    [[ -f $dir/.stamp && $(cat "$dir/.stamp") == "$(digest "$@")" ]]
}

# stamp DIR FILE...: called last, so a broken installation is begun anew.
stamp() {
    local dir=$1
    shift
    digest "$@" >"$dir/.stamp"
}

digest() { cat "$@" | sha256sum | cut -d' ' -f1; }

# python_environment NAME REQUIREMENTS: a virtual environment in the cache.
python_environment() {
    local environment=$cache_dir/$1 requirements=$2
    stamped "$environment" "$requirements" && [[ -x $environment/bin/python ]] && return
    if ! python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then
        apt_install python3 python3-venv
    fi
    say "installing into $environment: $(paste -sd' ' "$requirements")"
    rm -rf "$environment"
    quietly python3 -m venv "$environment"
    quietly "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements"
    stamp "$environment" "$requirements"
}
