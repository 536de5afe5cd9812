{{/* What the pods of admission and controller have in common. */}}

{{/* Argument: list of the root context and the component's name, which is also the name of its values. */}}
{{- define "cronitor-k8s.podMetadata" -}}
{{- $root := index . 0 }}
{{- $component := index . 1 }}
{{- $values := index $root.Values $component }}
{{- $labels := include "cronitor-k8s.labels" $root | fromYaml }}
{{- $_ := set $labels "app.kubernetes.io/component" $component }}
{{- $annotations := dict "kubectl.kubernetes.io/default-container" $component }}
{{- /* The processes read their settings once: a change must roll them. */}}
{{- $_ := set $annotations "checksum/settings" (include "cronitor-k8s.settings" $root | sha256sum) }}
{{- if eq $component "controller" }}
{{- $_ := set $annotations "checksum/credentials" (printf "%s %s %s" $root.Values.credentials.apiKey $root.Values.credentials.telemetryKey $root.Values.cronitor.extraCA | sha256sum) }}
{{- end }}
{{- if $root.Values.metrics.scrapeAnnotations }}
{{- $annotations = merge $annotations (dict "prometheus.io/scrape" "true" "prometheus.io/port" "8080" "prometheus.io/path" "/metrics") }}
{{- end -}}
labels:
  {{- merge $labels ($values.podLabels | default dict) | toYaml | nindent 2 }}
annotations:
  {{- merge $annotations ($values.podAnnotations | default dict) | toYaml | nindent 2 }}
{{- end }}

{{/* Where the pods may run. Argument as above. */}}
{{- define "cronitor-k8s.scheduling" -}}
{{- $root := index . 0 }}
{{- $component := index . 1 }}
{{- $values := index $root.Values $component }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
affinity:
  {{- if $values.affinity }}
  {{- toYaml $values.affinity | nindent 2 }}
  {{- else }}
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              {{- include "cronitor-k8s.selectorLabels" $root | nindent 14 }}
              app.kubernetes.io/component: {{ $component }}
  {{- end }}
{{- end }}

{{/* Pod Security `restricted`, together with the container's half below. */}}
{{- define "cronitor-k8s.podSecurity" -}}
runAsNonRoot: true
{{- if not (kindIs "invalid" .Values.podSecurity.runAsUser) }}
runAsUser: {{ .Values.podSecurity.runAsUser | int64 }}
runAsGroup: {{ .Values.podSecurity.runAsUser | int64 }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "cronitor-k8s.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop:
    - ALL
{{- end }}

{{- define "cronitor-k8s.environment" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
{{- with .Values.proxy.https }}
- name: HTTPS_PROXY
  value: {{ . | quote }}
{{- end }}
{{- with .Values.proxy.http }}
- name: HTTP_PROXY
  value: {{ . | quote }}
{{- end }}
{{- if or .Values.proxy.https .Values.proxy.http }}
- name: NO_PROXY
  {{- /* The kubelet fills in $(…): the API server is never behind the proxy. */}}
  value: {{ list "$(KUBERNETES_SERVICE_HOST)" "localhost" "127.0.0.1" ".svc" (include "cronitor-k8s.noProxy" .) | compact | join "," | quote }}
{{- end }}
{{- end }}

{{/* The process shows that it lives on /healthz and that it may be used on /readyz. */}}
{{- define "cronitor-k8s.probes" -}}
startupProbe:
  httpGet:
    path: /healthz
    port: http
  periodSeconds: 1
  timeoutSeconds: 5
  failureThreshold: 180
livenessProbe:
  httpGet:
    path: /healthz
    port: http
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet:
    path: /readyz
    port: http
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 3
{{- end }}
