{{/* What would render, and not work. */}}

{{/* Not empty if a job applies pipelines. */}}
{{- define "longshore.pipelines" -}}
{{- if or .Values.pipelines .Values.pipelineJob.existingConfigMap }}x{{ end }}
{{- end }}

{{/* The job's requests are refused without what the workers and the cluster ask for. */}}
{{- define "longshore.pipelines.check" -}}
{{- $config := .Values.worker.config }}
{{- $job := .Values.pipelineJob }}
{{- if and (or (hasKey $config "rest.auth.basic.file") (hasKey $config "rest.auth.bearer.file")) (not $job.restConfig.secretName) }}
{{- fail "REST asks for a password or a token, and the job that applies pipelines has none: set pipelineJob.restConfig" }}
{{- end }}
{{- $protocol := get $config "worker.client.security.protocol" | default "PLAINTEXT" }}
{{- if and (ne $protocol "PLAINTEXT") (not $job.commandConfig.secretName) }}
{{- fail (printf "the cluster's listener is %s, and the job that applies pipelines knows nothing for it: set pipelineJob.commandConfig" $protocol) }}
{{- end }}
{{- range $name, $pipeline := .Values.pipelines }}
{{- if and $pipeline.connections (ne (get $config "connection.resources.enable" | toString) "true") }}
{{- fail (printf "the pipeline `%s` defines connections, which workers refuse: set worker.config.connection\\.resources\\.enable to true, or move them to worker.connections" $name) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "longshore.worker.check" -}}
{{- $worker := .Values.worker }}
{{- $config := $worker.config }}
{{- if eq $worker.rest.scheme "https" }}
{{- if not (get $config "listeners.https.ssl.keystore.location") }}
{{- fail "worker.rest.scheme is https, and there is no certificate: name its file as listeners.https.ssl.keystore.location in worker.config" }}
{{- end }}
{{- if and (eq $worker.probes.type "http") (eq (get $config "listeners.https.ssl.client.auth") "required") }}
{{- fail "REST wants clients' certificates, and Kubernetes' probes have none: set worker.probes.type to tcp" }}
{{- end }}
{{- end }}
{{- if and .Values.metrics.enabled (eq (int $worker.rest.port) (int .Values.metrics.port)) }}
{{- fail (printf "worker.rest.port and metrics.port are both %v" $worker.rest.port) }}
{{- end }}
{{- if and .Values.broker.enabled .Values.metrics.enabled (eq (int .Values.broker.port) (int .Values.metrics.port)) }}
{{- fail (printf "broker.port and metrics.port are both %v" .Values.broker.port) }}
{{- end }}
{{- end }}
