# What builds and runs the image without Docker's engine: buildah, podman, and Debian's
# own packages in the place of the base image.
# shellcheck shell=bash

install_image() {
    local missing=() package
    for package in buildah podman runc debootstrap; do
        PATH=$PATH:/usr/sbin has "$package" || missing+=("$package")
    done
    if ((${#missing[@]})); then
        apt_install "${missing[@]}" conmon
    fi
}
