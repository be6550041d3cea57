{{- define "fintech.name" -}}{{ .Release.Name }}{{- end }}

{{- define "fintech.labels" -}}
app.kubernetes.io/part-of: fintech-app
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "fintech.selector" -}}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "fintech.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "fintech.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "fintech.pod" -}}
serviceAccountName: {{ include "fintech.name" . }}
automountServiceAccountToken: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
volumes:
  - name: secrets
    secret: {secretName: {{ .Values.secretName }}, defaultMode: 0440}
  - name: tmp
    emptyDir: {sizeLimit: 256Mi}
{{- end }}

{{- define "fintech.container" -}}
image: {{ include "fintech.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
envFrom:
  - configMapRef: {name: {{ include "fintech.name" . }}}
  {{- with .extraSecret }}
  - secretRef: {name: {{ . }}, optional: true}
  {{- end }}
securityContext: {{ include "fintech.confined" . | nindent 2 }}
volumeMounts:
  - {name: secrets, mountPath: /run/secrets/app, readOnly: true}
  - {name: tmp, mountPath: /tmp}
{{- end }}

{{- define "fintech.waitForSchema" -}}
- name: wait-for-schema
  command: [alembic, current, --check-heads]
  {{- include "fintech.container" . | nindent 2 }}
  resources:
    requests: {cpu: 50m, memory: 128Mi}
    limits: {memory: 512Mi}
{{- end }}
