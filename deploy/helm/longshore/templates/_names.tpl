{{/* Names and labels. */}}

{{- define "longshore.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Forty characters leave room for what stands behind it in names and labels. */}}
{{- define "longshore.fullname" -}}
{{- $name := include "longshore.name" . }}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- default $full .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "longshore.serviceAccountName" -}}
{{- $own := ternary (include "longshore.fullname" .) "default" .Values.serviceAccount.create }}
{{- default $own .Values.serviceAccount.name }}
{{- end }}

{{- define "longshore.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}

{{/* What a component is found by: (list $ "worker"). */}}
{{- define "longshore.selector" -}}
{{- $root := first . -}}
app.kubernetes.io/name: {{ include "longshore.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ last . }}
{{- end }}

{{/* No versions: a newer chart that changes nothing else rolls nobody. */}}
{{- define "longshore.podLabels" -}}
{{ include "longshore.selector" . }}
{{- with (first .).Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "longshore.labels" -}}
{{- $root := first . -}}
{{ include "longshore.podLabels" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Annotations of everything and of this: (list $ .Values.worker.annotations). */}}
{{- define "longshore.annotations" -}}
{{- $root := first . }}
{{- $all := merge (dict) (last .) $root.Values.commonAnnotations }}
{{- with $all -}}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The fleet: two releases of one name in two namespaces are two fleets on one
     cluster. A namespace has no dot in it, so no two pairs are written alike. */}}
{{- define "longshore.groupId" -}}
{{- default (printf "%s.%s" .Release.Namespace (include "longshore.fullname" .)) .Values.worker.groupId }}
{{- end }}

{{- define "longshore.worker.headless" -}}
{{ include "longshore.fullname" . }}-worker-headless
{{- end }}

{{- define "longshore.worker.url" -}}
{{ .Values.worker.rest.scheme }}://{{ include "longshore.fullname" . }}-worker.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}:{{ .Values.worker.rest.port }}
{{- end }}

{{- define "longshore.broker.host" -}}
{{ include "longshore.fullname" . }}-broker-0.{{ include "longshore.fullname" . }}-broker.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}
{{- end }}
