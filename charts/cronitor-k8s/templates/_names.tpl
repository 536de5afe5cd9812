{{/* Names, labels and images. Everything that is not a fixed contract of the processes gets its name here. */}}

{{- define "cronitor-k8s.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{/* 50 characters, so that the longest suffix (-credentials) still makes a valid DNS label; a release's name may have dots. */}}
{{- define "cronitor-k8s.fullname" -}}
{{- $name := include "cronitor-k8s.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | replace "." "-" | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | replace "." "-" | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "cronitor-k8s.selectorLabels" -}}
app.kubernetes.io/name: {{ include "cronitor-k8s.name" . }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "cronitor-k8s.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "cronitor-k8s.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* What our processes create or look for by name: `names` in settings.json, and resourceNames in RBAC. */}}
{{- define "cronitor-k8s.objectNames" -}}
{{- $fullname := include "cronitor-k8s.fullname" . -}}
stateConfigMap: {{ $fullname }}-state
monitorRecords: {{ $fullname }}-monitors
lease: {{ $fullname }}-controller
tlsSecret: {{ $fullname }}-tls
service: {{ $fullname }}-admission
webhookConfiguration: {{ $fullname }}
ownerClusterRole: {{ $fullname }}-sidecar
namespaceObjects: cronitor-sidecar
{{- end }}

{{- define "cronitor-k8s.credentialsSecret" -}}
{{- .Values.credentials.existingSecret | default (printf "%s-credentials" (include "cronitor-k8s.fullname" .)) }}
{{- end }}

{{/* Argument: list of the root context and the image's values. */}}
{{- define "cronitor-k8s.image" -}}
{{- $root := index . 0 }}
{{- $image := index . 1 }}
{{- if $image.digest }}
{{- printf "%s@%s" $image.repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $image.repository ($image.tag | default $root.Chart.AppVersion) }}
{{- end }}
{{- end }}
