# promtool, which looks over rules for Prometheus.
# shellcheck shell=bash

install_promtool() {
    has promtool || apt_install prometheus
}
