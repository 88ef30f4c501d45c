#!/usr/bin/env bash
# Asks a running deployment whether it keeps its promises; prints a line each, and ends with the first that is broken.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

compose() { infra/compose.sh "$@"; }
passed() { printf 'ok    %s\n' "$*"; }
broken() { printf 'BROKEN %s\n' "$*" >&2; exit 1; }
setting() { local value; value=$(sed -n "s/^$1=//p" .env | tail -n 1); echo "${!1:-${value:-$2}}"; }
status() { curl --silent --output /dev/null --max-time 10 --write-out '%{http_code}' "$@" || true; }
project=$(setting COMPOSE_PROJECT_NAME recstack)
inference=http://127.0.0.1:$(setting TORCHSERVE_PORT 8080)
mlflow=http://127.0.0.1:$(setting MLFLOW_PORT 5000)
prefect=http://127.0.0.1:$(setting PREFECT_PORT 4200)
feast=http://127.0.0.1:$(setting FEAST_PORT 6566)
feast_page=http://127.0.0.1:$(setting FEAST_UI_PORT 8888)

unwell=$(compose ps --format '{{.Service}} {{.Health}} {{.State}}' | grep -v ' healthy running$' || true)
[[ -z $unwell ]] || broken "services that are not healthy: $unwell"
passed "$(compose ps --quiet | wc -l) services run and are healthy"

token=$(compose exec -T torchserve python -m serving.container token)
for question in '{"user_id": 1, "k": 5}' '{"liked": [50, 181, 172], "k": 5}' '{"user_id": 2147483648, "k": 5}'; do
    answer=$(curl --silent --fail --max-time 10 "$inference/predictions/recstack" -H "Authorization: Bearer $token" \
        -H 'Content-Type: application/json' -d "$question") || broken "no answer to $question"
    python3 -c 'import json, sys
answer = json.loads(sys.argv[1]); ids = [item["item_id"] for item in answer["items"]]
assert len(set(ids)) == 5, answer; print("ok    " + answer["policy"], *(item["title"] for item in answer["items"]), sep=" · ")' "$answer"
done

for url in "$inference/predictions/recstack" "$mlflow/api/2.0/mlflow/experiments/search" "$prefect/api/admin/version" \
    "$feast/get-online-features" "$feast_page/"; do
    code=$(status -X POST -H 'Content-Type: application/json' -d '{}' "$url")
    [[ $code == 401 || $code == 403 ]] || broken "$url answers $code without a token"
    passed "$url refuses without a token ($code)"
done
code=$(status -X POST -H 'Authorization: Bearer wrong' -d '{}' "$inference/predictions/recstack")
[[ $code == 401 ]] || broken "TorchServe's gateway answers $code to a wrong token"
code=$(status -H "Authorization: Bearer $token" "$inference/models")
[[ $code == 404 ]] || broken "TorchServe's gateway lets more than predictions through ($code)"
passed "the gateway refuses a wrong token, and lets nothing but predictions through"

for page in "$prefect/" "http://127.0.0.1:$(setting SPARK_PORT 8088)/"; do
    curl --silent --fail --max-time 10 "$page" | grep -qi '<html' || broken "$page shows no page"
done
curl --silent --fail --max-time 10 --user "any:$(setting FEAST_TOKEN '')" "$feast_page/" | grep -qi '<html' || broken "Feast's page is not there"
curl --silent --fail --max-time 10 --user "admin:$(setting MLFLOW_ADMIN_PASSWORD '')" "$mlflow/" | grep -qi '<html' || broken "MLflow's page is not there"
passed "the pages of Prefect, Spark, Feast and MLflow are there"

open=$(docker ps --filter "label=com.docker.compose.project=$project" --format '{{.Names}} {{.Ports}}' | grep -E '(0\.0\.0\.0|\[?::\]?):' || true)
[[ -z $open ]] || broken "listens beyond loopback: $open"
passed "ports are published on 127.0.0.1 alone"

logs=$(docker volume inspect --format '{{.Mountpoint}}' "${project}_state")
executors=$(compose exec -T worker sh -c 'cat /var/lib/recstack/spark-events/*' | grep -o '"Event":"SparkListenerTaskEnd".*"Host":"[^"]*"' |
    sed 's/.*"Host":"\([^"]*\)".*/\1/' | sort | uniq -c || true)
[[ $(wc -l <<<"$executors") -ge 2 ]] || broken "Spark's tasks ran on fewer than two hosts: $executors (event logs in $logs)"
passed "Spark's tasks a host: $(tr '\n' ' ' <<<"$executors")"

# Who may hold a secret; it is in nobody else's settings, and in no log, image layer or commit.
declare -A holders=(
    [POSTGRES_PASSWORD]="postgres postgres-exporter" [PREFECT_DB_PASSWORD]="postgres prefect"
    [MLFLOW_DB_PASSWORD]="postgres mlflow" [FEAST_DB_PASSWORD]="postgres worker feast feast-ui torchserve"
    [REDIS_PASSWORD]="redis redis-exporter worker feast feast-ui torchserve" [S3_ACCESS_KEY]="objectstore buckets mlflow worker"
    [S3_SECRET_KEY]="objectstore buckets mlflow worker" [MLFLOW_ADMIN_PASSWORD]="mlflow worker" [MLFLOW_SECRET_KEY]="mlflow"
    [PREFECT_PASSWORD]="prefect worker prometheus" [FEAST_TOKEN]="feast feast-ui"
    [SPARK_SECRET]="spark-master spark-worker worker" [GRAFANA_PASSWORD]="grafana"
)
seen=$(mktemp -d)
trap 'rm -rf "$seen"' EXIT
compose logs --no-color >"$seen/logs" 2>&1
for image in $(compose images --quiet | sort -u); do docker history --no-trunc --format '{{.CreatedBy}}' "$image"; done >"$seen/image layers"
git log --all --patch >"$seen/git"
for service in $(compose ps --all --services); do
    compose ps --all --quiet "$service" | xargs docker inspect >"$seen/settings of $service"
done
while IFS='=' read -r name value; do
    [[ ${#value} == 48 ]] || continue
    for place in "$seen"/*; do
        for holder in ${holders[$name]:-}; do [[ $place == "$seen/settings of $holder" ]] && continue 2; done
        grep -qF "$value" "$place" && broken "$name is in ${place#"$seen/"}"
    done
done < <(grep -v '^#' .env)
passed "no secret in logs, image layers, commits, or the settings of a service that needs it not"

used=$(docker stats --no-stream --format '{{.MemUsage}}' $(compose ps --quiet) | awk '{ sub(/MiB.*/, ""); if (/GiB/) { sub(/GiB.*/, ""); $1 *= 1024 } sum += $1 } END { printf "%.1f", sum / 1024 }')
passed "memory in use: $used GiB"

# Names that a dashboard asks for and nobody exports would show an empty panel for ever.
python3 - "http://127.0.0.1:$(setting PROMETHEUS_PORT 9090)" infra/grafana/dashboards/*.json <<'PYTHON'
import json, re, sys, time
from urllib.request import urlopen

wanted = {
    name
    for file in sys.argv[2:]
    for panel in json.load(open(file))["panels"]
    for target in panel["targets"]
    for name in re.findall(r"\b([A-Za-z]\w*_\w+|up)\b(?=[\[{ )]|$)", re.sub(r'\{[^}]*\}|by \([^)]*\)', "", target["expr"]))
}
deadline = time.monotonic() + 60
while True:
    known = set(json.load(urlopen(sys.argv[1] + "/api/v1/label/__name__/values"))["data"])
    if wanted <= known:
        break
    if time.monotonic() > deadline:
        sys.exit(f"BROKEN dashboards ask for metrics that nobody exports: {sorted(wanted - known)}")
    time.sleep(5)
down = [t["labels"]["job"] for t in json.load(urlopen(sys.argv[1] + "/api/v1/targets"))["data"]["activeTargets"] if t["health"] != "up"]
if down:
    sys.exit(f"BROKEN Prometheus can't read {down}")
print(f"ok    {len(wanted)} metrics of the dashboards exist, every target is up")
PYTHON
