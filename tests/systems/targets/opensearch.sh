# OpenSearch from Maven Central's jars, of which there is no archive, and a program that runs
# a node of it in its own process.
# shellcheck shell=bash

install_opensearch() {
    local pom=$systems_dir/opensearch/pom.xml program=$systems_dir/opensearch/OpenSearchNode.java
    local folder=$cache_dir/opensearch
    has javac || apt_install openjdk-17-jdk-headless
    stamped "$folder" "$pom" "$program" && return
    has mvn || apt_install maven
    say "installing into $folder: OpenSearch"
    rm -rf "$folder"
    mkdir -p "$folder"
    quietly mvn --quiet --batch-mode --file "$pom" dependency:copy-dependencies \
        -DoutputDirectory="$folder/lib" -DbuildDirectory="$folder"
    cp "$systems_dir/java/log4j2.properties" "$folder/lib"
    quietly javac -cp "$folder/lib/*" -d "$folder/lib" "$program"
    stamp "$folder" "$pom" "$program"
}
