#!/usr/bin/env bash
# Adds each missing secret to .env as a random value; changes no other line and prints nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly SECRETS=(POSTGRES_PASSWORD PREFECT_DB_PASSWORD MLFLOW_DB_PASSWORD FEAST_DB_PASSWORD FEAST_READER_PASSWORD
    REDIS_PASSWORD REDIS_READER_PASSWORD
    S3_ACCESS_KEY S3_SECRET_KEY MLFLOW_ADMIN_PASSWORD MLFLOW_SECRET_KEY PREFECT_PASSWORD FEAST_TOKEN SPARK_SECRET
    GRAFANA_PASSWORD)

umask 077
[[ -e .env ]] || echo "# Secrets of this deployment, made by make deploy. Settings: .env.example. Never commit it." >.env
chmod 600 .env
for name in "${SECRETS[@]}"; do
    grep -q "^$name=" .env || printf '%s=%s\n' "$name" "$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')" >>.env
done
