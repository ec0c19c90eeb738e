# A JVM, with the compiler that measurements need, and the jars of java/pom.xml with all that they depend on.
# shellcheck shell=bash

install_java() {
    local pom=$systems_dir/java/pom.xml
    local folder=$cache_dir/java
    has javac || apt_install openjdk-17-jdk-headless
    stamped "$folder" "$pom" && return
    has mvn || apt_install maven
    say "installing into $folder: Kafka's clients and tools"
    rm -rf "$folder"
    mkdir -p "$folder"
    quietly mvn --quiet --batch-mode --file "$pom" dependency:copy-dependencies \
        -DoutputDirectory="$folder/lib" -DbuildDirectory="$folder"
    stamp "$folder" "$pom"
}
