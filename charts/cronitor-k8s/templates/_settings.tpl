{{/* The one settings document that admission and controller read. It is written as YAML to be read, and rendered as JSON. */}}

{{- define "cronitor-k8s.settings" -}}
{{- $sidecar := .Values.sidecar -}}
log:
  level: {{ .Values.log.level }}
  format: {{ .Values.log.format }}
credentials:
  namespaceSecret: {{ .Values.credentials.namespaceSecret | default "" | toJson }}
config:
  default: {{ .Values.config.default }}
  environment: {{ .Values.config.environment | default .Values.config.defaultEnvironment | default "" | toJson }}
  tags: {{ .Values.config.tags | default list | toJson }}
  defaultTimezone: {{ .Values.config.defaultTimezone | default "" | toJson }}
  keyInference: {{ .Values.config.keyInference }}
  namePrefix: {{ .Values.config.namePrefix | default "" | toJson }}
  clusterName: {{ .Values.config.clusterName | default "" | toJson }}
  onJobDeleted: {{ .Values.config.onJobDeleted }}
monitors:
  onRemove: {{ .Values.monitors.onRemove }}
cronitor:
  telemetryUrl: {{ .Values.cronitor.telemetryUrl | trimSuffix "/" | toJson }}
  apiUrl: {{ .Values.cronitor.apiUrl | trimSuffix "/" | toJson }}
proxy:
  https: {{ .Values.proxy.https | default "" | toJson }}
  http: {{ .Values.proxy.http | default "" | toJson }}
  "no": {{ include "cronitor-k8s.noProxy" . | toJson }}
injection:
  enabled: {{ .Values.injection.enabled }}
dryRun: {{ .Values.dryRun }}
breaker:
  enabled: {{ .Values.breaker.enabled }}
  openSeconds: {{ .Values.breaker.openSeconds | int }}
  freeStuckPods: {{ .Values.breaker.freeStuckPods }}
  freeImages: {{ .Values.breaker.freeImages | default list | toJson }}
sidecar:
  image: {{ include "cronitor-k8s.image" (list . $sidecar.image) | toJson }}
  imagePullPolicy: {{ $sidecar.image.pullPolicy }}
  imagePullSecrets:
    {{- range $sidecar.imagePullSecrets }}
    - {{ .name | toJson }}
    {{- else }} []
    {{- end }}
  runAsUser: {{ $sidecar.runAsUser | toJson }}
  resources:
    requests: {{ include "cronitor-k8s.quantities" ($sidecar.resources).requests }}
    limits: {{ include "cronitor-k8s.quantities" ($sidecar.resources).limits }}
  guaranteedResources: {{ include "cronitor-k8s.quantities" $sidecar.guaranteedResources }}
  ignoreContainers: {{ $sidecar.ignoreContainers | default list | toJson }}
  stuckSeconds: {{ $sidecar.stuckSeconds | int }}
  logLevel: {{ $sidecar.logLevel }}
names:
  {{- include "cronitor-k8s.objectNames" . | nindent 2 }}
admission:
  port: 8443
  healthPort: 8080
  threads: {{ .Values.admission.threads | int }}
  drainSeconds: {{ .Values.admission.drainSeconds | int }}
controller:
  healthPort: 8080
  tokenSeconds: {{ .Values.controller.tokenSeconds | int }}
  eventsPerSecond: {{ .Values.controller.eventsPerSecond | int }}
  unscheduledSeconds: {{ .Values.controller.unscheduledSeconds | int }}
{{- end }}

{{/* A values file that says `no:` without quotes says `false:`, since that is how YAML reads it. Both are understood. */}}
{{- define "cronitor-k8s.noProxy" -}}
{{- index .Values.proxy "false" | default (index .Values.proxy "no") | default "" }}
{{- end }}

{{/* `cpu: 1` is a number in YAML; the processes read quantities as text only. */}}
{{- define "cronitor-k8s.quantities" -}}
{{- $quantities := dict }}
{{- range $resource, $quantity := . }}
{{- $_ := set $quantities $resource (toString $quantity) }}
{{- end }}
{{- toJson $quantities }}
{{- end }}

{{/* What the schema cannot say. Never prints a key. */}}
{{- define "cronitor-k8s.checkValues" -}}
{{- $credentials := .Values.credentials }}
{{- if and $credentials.existingSecret (or $credentials.apiKey $credentials.telemetryKey) }}
{{- fail "credentials: give either credentials.existingSecret, or credentials.apiKey (and credentials.telemetryKey), not both" }}
{{- end }}
{{- if not (or $credentials.existingSecret $credentials.apiKey) }}
{{- fail "credentials are missing: give --set credentials.apiKey=YOUR_SDK_KEY (Cronitor: Settings, API), or --set credentials.existingSecret=NAME of a Secret in the release's namespace with the key api-key" }}
{{- end }}
{{- range $name := list "apiKey" "telemetryKey" }}
{{- if regexMatch "[\\s/?#]" (trim (index $credentials $name | default "")) }}
{{- fail (printf "credentials.%s holds white space or one of / ? #, which no key of Cronitor's does" $name) }}
{{- end }}
{{- end }}
{{- if and $credentials.namespaceSecret (eq $credentials.namespaceSecret (include "cronitor-k8s.objectNames" . | fromYaml).namespaceObjects) }}
{{- fail (printf "credentials.namespaceSecret is %s, the name of what the controller makes itself: give another" $credentials.namespaceSecret) }}
{{- end }}
{{- if not (regexMatch "^[a-z]" (include "cronitor-k8s.fullname" .)) }}
{{- fail (printf "the release is named %s, but a Service's name begins with a letter: name the release otherwise or set fullnameOverride" .Release.Name) }}
{{- end }}
{{- if and .Values.cronitor.extraCA .Values.cronitor.extraCAConfigMap.name }}
{{- fail "give either cronitor.extraCA or cronitor.extraCAConfigMap.name, not both" }}
{{- end }}
{{- end }}
