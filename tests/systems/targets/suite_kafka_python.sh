# kafka-python's integration tests, from its source distribution on PyPI.
# shellcheck shell=bash

install_suite_kafka_python() {
    local folder=$cache_dir/suites/kafka_python
    local requirements=$systems_dir/suites/requirements.txt
    # The sdist leaves this file out.
    local service=$systems_dir/../conformance/suites/kafka_python_service.py
    local sources=("$systems_dir/targets/suite_kafka_python.sh" "$requirements" "$service")
    stamped "$folder" "${sources[@]}" && return
    python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || apt_install python3 python3-venv
    say "installing into $folder: $(paste -sd' ' "$requirements")"
    rm -rf "$folder"
    mkdir -p "$folder/source"
    quietly python3 -m venv "$folder/environment"
    local pip=("$folder/environment/bin/python" -m pip --quiet --disable-pip-version-check)
    quietly "${pip[@]}" install --requirement "$requirements"
    quietly "${pip[@]}" download --no-deps --no-binary :all: --dest "$folder" "$(grep '^kafka-python==' "$requirements")"
    tar -xzf "$folder"/kafka_python-*.tar.gz --strip-components 1 -C "$folder/source"
    # Without it Python's own package `test` is found.
    touch "$folder/source/test/__init__.py"
    cp "$service" "$folder/source/test/service.py"
    stamp "$folder" "${sources[@]}"
}
