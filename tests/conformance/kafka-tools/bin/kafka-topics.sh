#!/usr/bin/env bash
# A Kafka distribution's bin folder, as far as foreign suites call it: the name
# of the script says which of Kafka's tools runs.
set -euo pipefail
case $(basename "$0") in
    kafka-topics.sh) tool=org.apache.kafka.tools.TopicCommand ;;
    kafka-acls.sh) tool=org.apache.kafka.tools.AclCommand ;;
    kafka-configs.sh) tool=kafka.admin.ConfigCommand ;;
    # Here the first argument is a class, and CLASSPATH says where it is.
    kafka-run-class.sh) tool=$1 && shift ;;
esac
systems=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../../systems" && pwd)
exec java -XX:TieredStopAtLevel=1 -Xshare:auto "-Dlog4j2.configurationFile=$systems/java/log4j2.properties" \
    -cp "${CLASSPATH:+$CLASSPATH:}${LONGSHORE_CACHE:-$HOME/.cache/longshore}/java/lib/*" "$tool" "$@"
