# moto's server, which answers as AWS's services do, in an environment of its own;
# boto3 comes with it. Its extra `server` has much that no test here calls.
# shellcheck shell=bash

install_moto() {
    python_environment moto "$systems_dir/moto/requirements.txt"
}
