{{/* Node files: what the chart says, and on top of it what the values say. */}}

{{/* Properties that a user set although the chart has a value for them:
     (list given "worker.config" (dict "group.id" "worker.groupId")). */}}
{{- define "longshore.node.reserved" -}}
{{- $given := index . 0 }}{{ $place := index . 1 }}
{{- range $name, $instead := index . 2 }}
{{- if hasKey $given $name }}
{{- fail (printf "%s may not hold `%s`: set %s" $place $name $instead) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "longshore.worker.pluginPath" -}}
{{- $path := list }}
{{- if or .Values.plugins.downloads (include "longshore.plugins.copied" .) }}
{{- $path = append $path "/var/lib/longshore/plugins" }}
{{- end }}
{{- range .Values.plugins.images }}{{ if eq (default "copy" .mode) "volume" }}
{{- $path = append $path (printf "/var/lib/longshore/plugin-images/%s/%s" .name (default "/plugins" .path | trimPrefix "/")) }}
{{- end }}{{ end }}
{{- range .Values.plugins.volumes }}
{{- $path = append $path (printf "/var/lib/longshore/plugin-volumes/%s" .name) }}
{{- end }}
{{- range .Values.plugins.uploads }}
{{- $path = append $path (printf "/var/lib/longshore/plugin-uploads/%s" .name) }}
{{- end }}
{{- concat $path .Values.plugins.path | toYaml }}
{{- end }}

{{/* Not empty if a plugin image is copied. */}}
{{- define "longshore.plugins.copied" -}}
{{- range .Values.plugins.images }}{{ if eq (default "copy" .mode) "copy" }}x{{ end }}{{ end }}
{{- end }}

{{/* Not empty if the workers' cluster is the chart's own broker. */}}
{{- define "longshore.broker.used" -}}
{{- if and .Values.broker.enabled (not .Values.worker.bootstrapServers) }}x{{ end }}
{{- end }}

{{/* The brokers, with commas between. */}}
{{- define "longshore.bootstrap" -}}
{{- if .Values.worker.bootstrapServers }}
{{- join "," .Values.worker.bootstrapServers }}
{{- else if include "longshore.broker.used" . }}
{{- printf "%s-broker.%s.svc.%s:%v" (include "longshore.fullname" .) .Release.Namespace .Values.clusterDomain .Values.broker.port }}
{{- else }}
{{- fail "worker.bootstrapServers is empty: name the cluster's brokers as host:port, or set broker.enabled" }}
{{- end }}
{{- end }}

{{- define "longshore.worker.node" -}}
{{- $worker := .Values.worker }}
{{- $reserved := dict
    "process.roles" "broker.enabled"
    "bootstrap.servers" "worker.bootstrapServers"
    "group.id" "worker.groupId"
    "connections" "worker.connections"
    "rest.listeners" "worker.rest"
    "rest.advertised.host.name" "worker.rest.advertisedHost"
    "rest.advertised.port" "worker.rest.port"
    "metrics.listener" "metrics"
    "plugin.path" "plugins.path"
    "plugin.cache.dir" "worker.cache.path" }}
{{- include "longshore.node.reserved" (list $worker.config "worker.config" $reserved) }}
{{- $bootstrap := splitList "," (include "longshore.bootstrap" .) }}
{{- $group := include "longshore.groupId" . }}
{{- $replicas := default (ternary 1 3 (not (empty (include "longshore.broker.used" .)))) $worker.storageReplicationFactor }}
{{- $host := default (printf "${env:POD_NAME}.%s.%s.svc.%s" (include "longshore.worker.headless" .) .Release.Namespace .Values.clusterDomain) $worker.rest.advertisedHost }}
{{- $node := dict
    "process.roles" "worker"
    "bootstrap.servers" $bootstrap
    "group.id" $group
    "rest.listeners" (printf "%s://%s:%v" $worker.rest.scheme $worker.rest.address $worker.rest.port)
    "rest.advertised.host.name" $host
    "rest.advertised.port" $worker.rest.port
    "plugin.path" (include "longshore.worker.pluginPath" . | fromYamlArray)
    "plugin.cache.dir" (printf "%s/compiled-plugins" $worker.cache.path) }}
{{- range list "config" "offset" "status" "plugin" }}
{{- $_ := set $node (printf "%s.storage.topic" .) (printf "%s-%s" $group (ternary . (printf "%ss" .) (eq . "status"))) }}
{{- $_ := set $node (printf "%s.storage.replication.factor" .) $replicas }}
{{- end }}
{{- if .Values.metrics.enabled }}
{{- $_ := set $node "metrics.listener" (printf "%s:%v" $worker.rest.address .Values.metrics.port) }}
{{- end }}
{{- with $worker.connections }}
{{- $_ := set $node "connections" . }}
{{- end }}
{{- merge (dict) $worker.config $node | toYaml }}
{{- end }}

{{- define "longshore.broker.node" -}}
{{- $broker := .Values.broker }}
{{- $reserved := dict
    "process.roles" "broker.enabled"
    "node.id" "nothing: a cluster has one broker"
    "log.dirs" "nothing: it is the persistent volume"
    "metrics.listener" "metrics"
    "connections" "worker.connections" }}
{{- include "longshore.node.reserved" (list $broker.config "broker.config" $reserved) }}
{{- $node := dict
    "process.roles" (list "broker" "controller")
    "node.id" 1
    "listeners" (printf "PLAINTEXT://0.0.0.0:%v" $broker.port)
    "advertised.listeners" (printf "PLAINTEXT://%s:%v" (include "longshore.broker.host" .) $broker.port)
    "log.dirs" "/var/lib/longshore/data" }}
{{- if .Values.metrics.enabled }}
{{- $_ := set $node "metrics.listener" (printf "0.0.0.0:%v" .Values.metrics.port) }}
{{- end }}
{{- merge (dict) $broker.config $node | toYaml }}
{{- end }}
