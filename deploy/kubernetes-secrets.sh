#!/bin/sh
# Print the Kubernetes Secret `app-secrets` from the folder that make-secrets.sh made:
#
#   sh deploy/kubernetes-secrets.sh secrets | kubectl apply -f -
set -eu
folder=${1:-secrets}
cat <<'END'
apiVersion: v1
kind: Secret
metadata:
  name: app-secrets
  namespace: fintech-app
type: Opaque
data:
END
for path in "$folder"/*; do
    name=$(basename "$path" | tr '[:lower:]' '[:upper:]')
    echo "  $name: \"$(base64 < "$path" | tr -d '\n')\""
done
