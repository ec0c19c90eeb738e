{{/* Parts of pods. */}}

{{/* What a node's process knows of its pod, and of its user's values:
     (list component $.Values.worker). */}}
{{- define "longshore.env" -}}
- name: POD_NAME
  valueFrom: { fieldRef: { fieldPath: metadata.name } }
- name: POD_NAMESPACE
  valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
- name: POD_IP
  valueFrom: { fieldRef: { fieldPath: status.podIP } }
- name: LONGSHORE_LOG
  value: {{ .log | quote }}
{{- with .env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "longshore.secrets.volumes" -}}
{{- range $at, $secret := .Values.secrets }}
- name: secret-{{ $at }}
  secret:
    secretName: {{ $secret.name }}
    defaultMode: 0440
    {{- if $secret.optional }}
    optional: true
    {{- end }}
    {{- with $secret.keys }}
    items:
      {{- range . }}
      - { key: {{ . | quote }}, path: {{ . | quote }} }
      {{- end }}
    {{- end }}
{{- end }}
{{- end }}

{{- define "longshore.secrets.mounts" -}}
{{- range $at, $secret := .Values.secrets }}
- name: secret-{{ $at }}
  mountPath: /etc/longshore/secrets/{{ $secret.name }}
  readOnly: true
{{- end }}
{{- end }}

{{- define "longshore.plugins.volumes" -}}
{{- if or .Values.plugins.downloads (include "longshore.plugins.copied" .) }}
- name: plugins
  emptyDir: {}
{{- end }}
{{- if .Values.plugins.downloads }}
- name: fetch-plugin
  configMap:
    name: {{ include "longshore.fullname" . }}-worker
    items:
      - { key: fetch-plugin.sh, path: fetch-plugin.sh }
{{- end }}
{{- range $at, $image := .Values.plugins.images }}{{ if eq (default "copy" $image.mode) "volume" }}
- name: plugin-image-{{ $at }}
  image:
    reference: {{ $image.image }}
    pullPolicy: {{ default "IfNotPresent" $image.pullPolicy }}
{{- end }}{{ end }}
{{- range $at, $volume := .Values.plugins.volumes }}
- name: plugin-volume-{{ $at }}
  persistentVolumeClaim:
    claimName: {{ $volume.claimName }}
    readOnly: true
{{- end }}
{{- range $at, $upload := .Values.plugins.uploads }}
- name: plugin-upload-{{ $at }}
  configMap:
    name: {{ $upload.configMap }}
{{- end }}
{{- end }}

{{- define "longshore.plugins.mounts" -}}
{{- if or .Values.plugins.downloads (include "longshore.plugins.copied" .) }}
- name: plugins
  mountPath: /var/lib/longshore/plugins
  readOnly: true
{{- end }}
{{- range $at, $image := .Values.plugins.images }}{{ if eq (default "copy" $image.mode) "volume" }}
- name: plugin-image-{{ $at }}
  mountPath: /var/lib/longshore/plugin-images/{{ $image.name }}
  readOnly: true
{{- end }}{{ end }}
{{- range $at, $volume := .Values.plugins.volumes }}
- name: plugin-volume-{{ $at }}
  mountPath: /var/lib/longshore/plugin-volumes/{{ $volume.name }}
  {{- with $volume.subPath }}
  subPath: {{ . }}
  {{- end }}
  readOnly: true
{{- end }}
{{- range $at, $upload := .Values.plugins.uploads }}
- name: plugin-upload-{{ $at }}
  mountPath: /var/lib/longshore/plugin-uploads/{{ $upload.name }}
  readOnly: true
{{- end }}
{{- end }}

{{/* Containers that bring plugins before the worker starts. */}}
{{- define "longshore.plugins.init" -}}
{{- range .Values.plugins.images }}{{ if eq (default "copy" .mode) "copy" }}
- name: plugins-{{ .name }}
  image: {{ .image }}
  imagePullPolicy: {{ default "IfNotPresent" .pullPolicy }}
  # The plugin's image is nobody's business but its maker's: it only has to
  # hold `cp`.
  command: [/bin/sh, -ec, 'cp "$0"/*.wasm /target/', {{ default "/plugins" .path | quote }}]
  securityContext: {{- toYaml $.Values.worker.securityContext | nindent 4 }}
  resources: { requests: { cpu: 10m, memory: 16Mi }, limits: { memory: 128Mi } }
  volumeMounts:
    - { name: plugins, mountPath: /target }
{{- end }}{{ end }}
{{- range .Values.plugins.downloads }}
- name: plugin-{{ .name }}
  image: {{ $.Values.plugins.downloader.image }}
  imagePullPolicy: {{ $.Values.plugins.downloader.pullPolicy }}
  command: [/bin/sh, /scripts/fetch-plugin.sh, {{ .url | quote }}, {{ .sha256 | quote }}, "/target/{{ .name }}.wasm"]
  securityContext: {{- toYaml $.Values.worker.securityContext | nindent 4 }}
  resources: { requests: { cpu: 10m, memory: 16Mi }, limits: { memory: 128Mi } }
  volumeMounts:
    - { name: plugins, mountPath: /target }
    - { name: fetch-plugin, mountPath: /scripts, readOnly: true }
{{- end }}
{{- end }}

{{/* A worker's probe of a path: (list $ path). */}}
{{- define "longshore.worker.probe" -}}
{{- $worker := (first .).Values.worker }}
{{- if eq $worker.probes.type "tcp" -}}
tcpSocket: { port: rest }
{{- else -}}
httpGet:
  path: {{ last . }}
  port: rest
  scheme: {{ upper $worker.rest.scheme }}
  {{- with $worker.probes.httpHeaders }}
  httpHeaders: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
periodSeconds: {{ $worker.probes.periodSeconds }}
timeoutSeconds: {{ $worker.probes.timeoutSeconds }}
{{- end }}
