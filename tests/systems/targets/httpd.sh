# Apache's web server, without what starts it as a service.
# shellcheck shell=bash

install_httpd() {
    [[ -x /usr/sbin/apache2 ]] || apt_install apache2-bin
}
