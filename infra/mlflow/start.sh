#!/usr/bin/env bash
# MLflow's server: upgrades its schema, asks for passwords, and passes artifacts on to the object store.
set -euo pipefail

umask 077
cat >/tmp/auth.ini <<INI
[mlflow]
default_permission = NO_PERMISSIONS
database_uri = $MLFLOW_AUTH_DATABASE
admin_username = admin
admin_password = $MLFLOW_ADMIN_PASSWORD
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
INI
export MLFLOW_AUTH_CONFIG_PATH=/tmp/auth.ini
# The address holds a password: as an argument every user of the host could read it in the list of processes.
python -c 'import os; from mlflow.cli import cli; cli(["db", "upgrade", os.environ["MLFLOW_BACKEND_STORE_URI"]])'
exec mlflow server --app-name basic-auth --host 0.0.0.0 --port 5000 --workers 1 --serve-artifacts \
    --artifacts-destination "$MLFLOW_ARTIFACTS" --allowed-hosts "mlflow:5000,localhost:*,127.0.0.1:*"
