#!/usr/bin/env bash
# Runs once, on an empty volume: makes a database and a user each for Prefect, MLflow and Feast's registry.
set -euo pipefail

database() { # name, owner, password; psql reads the password from its environment, for arguments are public
    SECRET=$3 psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres -v name="$1" -v owner="$2" <<'SQL'
\getenv secret SECRET
SELECT format('CREATE ROLE %I LOGIN PASSWORD %L', :'owner', :'secret')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'owner') \gexec
CREATE DATABASE :"name" OWNER :"owner";
REVOKE CONNECT ON DATABASE :"name" FROM PUBLIC;
SQL
}

database prefect prefect "$PREFECT_DB_PASSWORD"
database mlflow mlflow "$MLFLOW_DB_PASSWORD"
database mlflow_auth mlflow "$MLFLOW_DB_PASSWORD"
database feast feast "$FEAST_DB_PASSWORD"
