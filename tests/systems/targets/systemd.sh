# systemd-analyze, which looks over units.
# shellcheck shell=bash

install_systemd() {
    has systemd-analyze || apt_install systemd
}
