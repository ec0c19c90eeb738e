# Debian's MariaDB: the server's programs and its client, no service of the system's own.
# shellcheck shell=bash

install_mariadb() {
    has mariadb && has mariadbd && has mariadb-install-db && return
    apt_install mariadb-server-core mariadb-client-core
}
