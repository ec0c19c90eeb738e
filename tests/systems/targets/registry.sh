# Apicurio Registry, which has Confluent's API beside its own, a JVM to run it, and
# Confluent's own client for Python.
# shellcheck shell=bash

install_registry() {
    local version=2.6.13.Final
    local folder=$cache_dir/registry
    local archive=$folder/apicurio-registry-app-$version-all.tar.gz
    has java || apt_install openjdk-17-jdk-headless
    python_environment registry-client "$systems_dir/registry/requirements.txt"
    stamped "$folder" "${BASH_SOURCE[0]}" && return
    has mvn || apt_install maven
    say "installing into $folder: Apicurio Registry $version"
    rm -rf "$folder"
    mkdir -p "$folder"
    quietly mvn --quiet --batch-mode org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
        -Dartifact="io.apicurio:apicurio-registry-app:$version:tar.gz:all" \
        -DoutputDirectory="$folder"
    quietly tar -xzf "$archive" -C "$folder"
    rm "$archive"
    stamp "$folder" "${BASH_SOURCE[0]}"
}
