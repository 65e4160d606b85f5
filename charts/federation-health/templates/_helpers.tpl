{{- define "federation-health.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "federation-health.fullname" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "federation-health.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "federation-health.serviceAccountName" -}}
{{- default (include "federation-health.fullname" .) .Values.serviceAccount.name }}
{{- end }}

{{- define "federation-health.objectName" -}}
{{- .Values.objectName }}
{{- end }}

{{- /* Namespaces of the control planes as the inside of a list in CEL. */ -}}
{{- define "federation-health.planes" -}}
{{- range $i, $name := .Values.federation.namespaces }}{{ if $i }}, {{ end }}'{{ $name }}'{{ end }}
{{- end }}

{{- define "federation-health.selectorLabels" -}}
app.kubernetes.io/name: {{ include "federation-health.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "federation-health.labels" -}}
{{ include "federation-health.selectorLabels" . }}
app.kubernetes.io/part-of: federation-health
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "federation-health.image" -}}
{{- $registry := default .Values.image.registry (.Values.global).imageRegistry }}
{{- $name := ternary .Values.image.repository (printf "%s/%s" $registry .Values.image.repository) (empty $registry) }}
{{- if .Values.image.digest }}{{ $name }}@{{ .Values.image.digest }}
{{- else }}{{ $name }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}
{{- end }}

{{- /* What every pod of ours is: whose it is, how it is secured, where it may run. */ -}}
{{- define "federation-health.pod" -}}
serviceAccountName: {{ include "federation-health.serviceAccountName" . }}
automountServiceAccountToken: true
# No environment variable for every Service of the namespace.
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "federation-health.container" -}}
image: {{ include "federation-health.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
{{- end }}

{{- define "federation-health.podNamespace" -}}
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
{{- end }}

{{- /* ValidatingAdmissionPolicy is served by default from 1.30 on. */ -}}
{{- define "federation-health.hasPolicies" -}}
{{- if semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version }}true{{ end }}
{{- end }}

{{- /*
matchResources of a durable binding: dict of root and canary (durable-<rule>). A hold that stands
is kept by an upgrade: applied as shipped, the binding would let the deletions through until the
operator noticed. The field has one owner as a whole, so what the API server would add is written
too, or upgrades and rollbacks would end in a conflict with the operator once it has switched.
Where no operator runs, values switch it.
*/ -}}
{{- define "federation-health.switch" -}}
{{- $rule := trimPrefix "durable-" .canary }}
{{- $active := get .root.Values.policies.active $rule }}
{{- if not .root.Values.policies.only }}
{{- with lookup "admissionregistration.k8s.io/v1" "ValidatingAdmissionPolicyBinding" "" (printf "federation-health-%s-durable" $rule) }}
{{- $active = empty (dig "spec" "matchResources" "objectSelector" dict .) }}
{{- end }}
{{- end -}}
matchPolicy: Equivalent
namespaceSelector: {}
objectSelector:
{{- if $active }} {}
{{- else }}
  matchLabels:
    federationhealth.io/canary: {{ .canary }}
{{- end }}
{{- end }}
