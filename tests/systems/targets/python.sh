# A virtual environment with the packages of python/requirements.txt.
# shellcheck shell=bash

install_python() {
    python_environment python "$systems_dir/python/requirements.txt"
}
