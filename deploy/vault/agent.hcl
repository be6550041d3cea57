# Vault Agent on the machine of docker-compose.prod.yml, in its folder: writes the files of ./secrets.
#
#   vault kv put secret/fintech-app encryption_keys=@… secret_key=@… plaid_secret=…
#   sudo vault agent -config=deploy/vault/agent.hcl
#
# As root: the files are nobody's to write. In that folder, so that Compose reads its .env there.
#
# Each key of secret/fintech-app becomes the file of its name, in lower case as make-secrets.sh has
# them; run that first, for those that Vault has not got. Processes read secrets when they start.
vault {
  address = "https://vault.example.org:8200"
}

auto_auth {
  method "approle" {
    config = {
      role_id_file_path   = "/etc/fintech/vault-role-id"
      secret_id_file_path = "/etc/fintech/vault-secret-id"
      # Else the agent could sign in once, and not again after a restart.
      remove_secret_id_file_after_reading = false
    }
  }
}

template {
  # It writes one file for each key. What it says itself is the version: the command below runs only when
  # that is another than before.
  destination = "secrets/.from-vault"
  perms       = "0444"
  contents    = <<-END
    {{- with secret "secret/data/fintech-app" -}}
    {{- range $name, $value := .Data.data -}}
    {{- $value | writeToFile (printf "secrets/%s" $name) "" "" "0444" -}}
    {{- end -}}
    {{- .Data.metadata.version -}}
    {{- end -}}
  END
  exec {
    command = ["docker", "compose", "-f", "docker-compose.prod.yml", "up", "-d", "--force-recreate",
      "--no-deps", "app", "celery", "celery-sync", "celery-beat", "backup"]
    timeout = "5m"
  }
}
