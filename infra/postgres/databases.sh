#!/usr/bin/env bash
# Makes a database and a user each for Prefect, MLflow and Feast's registry, and a user who may only read the latter.
# Runs on an empty volume, and again with each make deploy: what is there stays.
set -euo pipefail

database() { # name, owner, password; psql reads the password from its environment, for arguments are public
    SECRET=$3 psql -v ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres -v name="$1" -v owner="$2" <<'SQL'
\getenv secret SECRET
SELECT format('CREATE ROLE %I LOGIN PASSWORD %L', :'owner', :'secret')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'owner') \gexec
SELECT format('CREATE DATABASE %I OWNER %I', :'name', :'owner')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
REVOKE CONNECT ON DATABASE :"name" FROM PUBLIC;
SQL
}

database prefect prefect "$PREFECT_DB_PASSWORD"
database mlflow mlflow "$MLFLOW_DB_PASSWORD"
database mlflow_auth mlflow "$MLFLOW_DB_PASSWORD"
database feast feast "$FEAST_DB_PASSWORD"

# TorchServe, which parses requests, needs to read Feast's registry, no more.
SECRET=$FEAST_READER_PASSWORD psql -v ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname feast <<'SQL'
\getenv secret SECRET
SELECT format('CREATE ROLE feast_reader LOGIN PASSWORD %L', :'secret')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'feast_reader') \gexec
GRANT CONNECT ON DATABASE feast TO feast_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO feast_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE feast IN SCHEMA public GRANT SELECT ON TABLES TO feast_reader;
SQL
