# A virtual environment with the packages of python/requirements.txt.
# shellcheck shell=bash

install_python() {
    local requirements=$systems_dir/python/requirements.txt
    local environment=$cache_dir/python
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
