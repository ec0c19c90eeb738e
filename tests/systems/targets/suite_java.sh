# The jars of suites/pom.xml: Kafka's programs for system tests, Streams' tests, Connect.
# shellcheck shell=bash

install_suite_java() {
    local pom=$systems_dir/suites/pom.xml
    local folder=$cache_dir/suites/java
    has java || apt_install openjdk-17-jre-headless
    stamped "$folder" "$pom" && return
    has mvn || apt_install maven
    say "installing into $folder: Kafka's system tests, Streams and Connect"
    rm -rf "$folder"
    mkdir -p "$folder"
    quietly mvn --quiet --batch-mode --file "$pom" dependency:copy-dependencies \
        -DoutputDirectory="$folder/lib" -DbuildDirectory="$folder"
    stamp "$folder" "$pom"
}
