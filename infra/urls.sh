#!/usr/bin/env bash
# Prints the address of each service, and the name under which .env has its password.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

port() { local value; value=$(sed -n "s/^$1=//p" .env | tail -n 1); echo "${!1:-${value:-$2}}"; }
row() { printf '  %-11s http://127.0.0.1:%-6s %s\n' "$1" "$2" "$3"; }

row TorchServe "$(port TORCHSERVE_PORT 8080)" "token: make token"
row Prefect "$(port PREFECT_PORT 4200)" "admin:PREFECT_PASSWORD"
row MLflow "$(port MLFLOW_PORT 5000)" "admin, MLFLOW_ADMIN_PASSWORD"
row "Feast" "$(port FEAST_UI_PORT 8888)" "any name, FEAST_TOKEN; features at port $(port FEAST_PORT 6566)"
row "Spark" "$(port SPARK_PORT 8088)" ""
row Prometheus "$(port PROMETHEUS_PORT 9090)" ""
grep -q '^LOCAL_IMAGES=1$' .env || row Grafana "$(port GRAFANA_PORT 3000)" "admin, GRAFANA_PASSWORD"
echo "Passwords and tokens are in .env, under these names."
