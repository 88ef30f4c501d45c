"""Asks a running deployment whether it keeps its promises: `make check`.

Prints a line for each promise, and ends with exit code 1 at the first that does not hold.
"""

import json
import re
import subprocess
from collections import Counter
from typing import Any

from infra.deployment import (
    ROOT,
    broken,
    compose,
    container_ids,
    in_worker,
    inference_token,
    passed,
    request,
    run,
    setting,
    settings,
    unhealthy_services,
    until,
    url,
)
from recstack.progress import working

QUERIES = (
    {"user_id": 1, "k": 5},
    {"liked": [50, 181, 172], "k": 5},
    {"user_id": 2**31, "k": 5},
)
"""A known user, an anonymous one, and one without history."""
PREDICTIONS = "/predictions/recstack"
PROTECTED = {
    "TORCHSERVE_PORT": PREDICTIONS,
    "MLFLOW_PORT": "/api/2.0/mlflow/experiments/search",
    "PREFECT_PORT": "/api/admin/version",
    "FEAST_PORT": "/get-online-features",
    "FEAST_UI_PORT": "/",
}
"""A path of each server that must not answer without a token or password."""
SECRET_LENGTH = 48
"""Of the secrets that `secrets.sh` makes; shorter values of `.env` are settings."""
HOLDERS = {
    "POSTGRES_PASSWORD": "postgres postgres-exporter",
    "PREFECT_DB_PASSWORD": "postgres prefect",
    "MLFLOW_DB_PASSWORD": "postgres mlflow",
    "FEAST_DB_PASSWORD": "postgres worker feast feast-ui",
    "FEAST_READER_PASSWORD": "postgres torchserve",
    "REDIS_PASSWORD": "redis redis-exporter worker feast feast-ui",
    "REDIS_READER_PASSWORD": "redis torchserve",
    "S3_ACCESS_KEY": "objectstore buckets mlflow worker",
    "S3_SECRET_KEY": "objectstore buckets mlflow worker",
    "MLFLOW_ADMIN_PASSWORD": "mlflow worker",
    "MLFLOW_SECRET_KEY": "mlflow",
    "PREFECT_PASSWORD": "prefect worker prometheus",
    "FEAST_TOKEN": "feast feast-ui",
    "SPARK_SECRET": "spark-master spark-worker worker",
    "GRAFANA_PASSWORD": "grafana",
}
"""Services that may hold a secret in their settings."""
METRIC = re.compile(r"\b([A-Za-z]\w*_\w+|up)\b(?=[\[{ )]|$)")


def services_are_healthy() -> None:
    """Every service runs and its health check passes."""
    if unhealthy := unhealthy_services():
        broken(f"services that are not healthy: {unhealthy}")
    passed(f"{len(container_ids())} services run and are healthy")


def queries_are_answered() -> None:
    """Each kind of user gets five different items."""
    token = inference_token()
    for query in QUERIES:
        reply = request(url("TORCHSERVE_PORT", PREDICTIONS), query, token=token)
        if reply.status != 200:
            broken(f"status {reply.status} for {query}: {reply.body.decode()[:300]}")
        answer = reply.json()
        if len({item["item_id"] for item in answer["items"]}) != query["k"]:
            broken(f"not {query['k']} different items for {query}: {answer}")
        passed(" · ".join([answer["policy"], *(item["title"] for item in answer["items"])]))


def nothing_answers_without_a_token() -> None:
    """Every server refuses a request without a token; the gateway refuses a wrong one and every other path."""
    for port, path in PROTECTED.items():
        status = request(url(port, path), {}).status
        if status not in {401, 403}:
            broken(f"{url(port, path)} answers {status} without a token")
        passed(f"{url(port, path)} refuses without a token ({status})")
    status = request(url("TORCHSERVE_PORT", PREDICTIONS), {}, token="wrong").status
    if status != 401:
        broken(f"TorchServe's gateway answers {status} to a wrong token")
    status = request(url("TORCHSERVE_PORT", "/models"), token=inference_token()).status
    if status != 404:
        broken(f"TorchServe's gateway answers {status} to another path than predictions")
    passed("the gateway refuses a wrong token, and every path but predictions")


def pages_are_there() -> None:
    """The web pages answer with HTML."""
    logins = {
        "PREFECT_PORT": None,
        "SPARK_PORT": None,
        "FEAST_UI_PORT": f"any:{setting('FEAST_TOKEN')}",
        "MLFLOW_PORT": f"admin:{setting('MLFLOW_ADMIN_PASSWORD')}",
    }
    for port, login in logins.items():
        if b"<html" not in request(url(port, "/"), login=login).body.lower():
            broken(f"{url(port, '/')} shows no page")
    passed("the pages of Prefect, Spark, Feast and MLflow are there")


def containers_have_no_rights() -> None:
    """Docker runs each container without capabilities, read-only, limited, not as root, and on loopback alone."""
    containers = json.loads(run(["docker", "inspect", *container_ids("--all")]))
    for container in containers:
        host, name = container["HostConfig"], container["Name"]
        if host["CapDrop"] != ["ALL"] or host["CapAdd"] or host["Privileged"]:
            broken(f"{name} has capabilities")
        if not host["ReadonlyRootfs"] or "no-new-privileges:true" not in host["SecurityOpt"]:
            broken(f"{name} may write to its root file system or gain privileges")
        if container["Config"]["User"] in {"", "root", "0"}:
            broken(f"{name} runs as root")
        if not host["Memory"] or not host["NanoCpus"]:
            broken(f"{name} has no limit of memory or CPU")
        if host["RestartPolicy"]["Name"] not in {"unless-stopped", "on-failure"}:
            broken(f"{name} is not started again when it ends")
        published = [binding["HostIp"] for bindings in (host["PortBindings"] or {}).values() for binding in bindings]
        if set(published) - {"127.0.0.1"}:
            broken(f"{name} listens on {published}")
    passed(f"{len(containers)} containers: no capability, read-only, limited, not root, ports on 127.0.0.1 alone")


def spark_uses_every_worker() -> None:
    """The event logs of Spark name at least two hosts on which tasks ended."""
    log = in_worker("cat /var/lib/recstack/spark-events/*")
    hosts = Counter(re.findall(r'"Event":"SparkListenerTaskEnd".*?"Host":"([^"]*)"', log))
    if len(hosts) < 2:
        broken(f"Spark's tasks ran on fewer than two hosts: {dict(hosts)}")
    passed(f"Spark's tasks by host: {dict(hosts)}")


def secrets_are_only_where_they_are_needed() -> None:
    """No secret is in a log, an image layer, a commit, a process's arguments, or the settings of another service."""
    secrets = {name: value for name, value in settings().items() if len(value) == SECRET_LENGTH}
    texts = {
        "the logs": compose("logs", "--no-color"),
        "the commits": _output(["git", "log", "--all", "--patch"]),
    }
    for image in sorted(set(compose("images", "--quiet").split())):
        texts[f"the layers of image {image}"] = run(
            ["docker", "history", "--no-trunc", "--format", "{{.CreatedBy}}", image]
        )
    for container in container_ids():
        texts[f"the arguments of container {container[:12]}"] = run(["docker", "top", container, "-eo", "pid,args"])
    for name, text in texts.items():
        for secret, value in secrets.items():
            if value in text:
                broken(f"{secret} is in {name}")
    for service in compose("ps", "--all", "--services").split():
        given = run(["docker", "inspect", *container_ids("--all", service)])
        for secret, value in secrets.items():
            if value in given and service not in HOLDERS.get(secret, "").split():
                broken(f"{secret} is in the settings of {service}, which does not need it")
    passed("each secret is only in the settings of services that need it; in no log, image, commit or argument")


def memory_in_use() -> None:
    """Print the memory of all containers."""
    lines = run(["docker", "stats", "--no-stream", "--format", "{{.MemUsage}}", *container_ids()])
    units = {"KiB": 2**-20, "MiB": 2**-10, "GiB": 1.0}
    used = sum(float(size) * units[unit] for size, unit in re.findall(r"^([\d.]+)(\w+)", lines, re.MULTILINE))
    passed(f"memory in use: {used:.1f} GiB")


def dashboards_show_something() -> None:
    """Every metric that a dashboard shows exists, and Prometheus reads all its targets."""
    wanted = dashboard_metrics()
    names = url("PROMETHEUS_PORT", "/api/v1/label/__name__/values")
    until(
        lambda: wanted <= set(request(names).json()["data"]),
        f"Prometheus knows all of {', '.join(sorted(wanted))}",
        60,
    )
    targets = request(url("PROMETHEUS_PORT", "/api/v1/targets")).json()["data"]["activeTargets"]
    if down := [target["labels"]["job"] for target in targets if target["health"] != "up"]:
        broken(f"Prometheus can't read {down}")
    passed(f"{len(wanted)} metrics of the dashboards exist, every target is up")


def dashboard_metrics() -> set[str]:
    """Names of all metrics in the expressions of Grafana's dashboards."""
    dashboards: list[Any] = [
        json.loads(file.read_text()) for file in (ROOT / "infra/grafana/dashboards").glob("*.json")
    ]
    return {
        name
        for dashboard in dashboards
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in METRIC.findall(re.sub(r"\{[^}]*\}|by \([^)]*\)", "", target["expr"]))
    }


def _output(command: list[str]) -> str:
    """Output of a command whose text need not be UTF-8."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode(errors="replace")


CHECKS = (
    services_are_healthy,
    queries_are_answered,
    nothing_answers_without_a_token,
    pages_are_there,
    containers_have_no_rights,
    spark_uses_every_worker,
    secrets_are_only_where_they_are_needed,
    memory_in_use,
    dashboards_show_something,
)

if __name__ == "__main__":
    for check in CHECKS:
        with working(check.__name__.replace("_", " ")):
            check()
