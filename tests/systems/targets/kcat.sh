# Debian's kcat: librdkafka as old as clients in the field are.
# shellcheck shell=bash

install_kcat() {
    has kcat || apt_install kcat
}
