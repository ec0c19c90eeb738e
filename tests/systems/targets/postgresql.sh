# Debian's PostgreSQL: the programs alone, no cluster of the system's own.
# shellcheck shell=bash

install_postgresql() {
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null && return
    if [[ ! -e /etc/postgresql-common/createcluster.conf ]]; then
        as_root mkdir -p /etc/postgresql-common
        echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
    fi
    apt_install postgresql
}
