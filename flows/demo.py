"""`make demo`: the pipeline on embedded defaults, then three requests to the model that it rolled out."""

import json
import shlex
import sys
import time

from prefect.client.orchestration import get_client

from flows.console import leave_errors_to_the_caller
from flows.pipeline import pipeline
from recstack.data.adapters.base import datasets
from recstack.experiments.config import ExperimentConfig
from recstack.local.answers import show_three_answers
from recstack.progress import say, working
from recstack.release.served_model import most_active_user, served_model
from recstack.settings import Settings
from recstack.torchserve.server import server_of, start_server


def run_demo(dataset: str, config: ExperimentConfig) -> None:
    """Run everything and say where to look.

    Args:
        dataset: name of an adapter.
        config: its data and options, the protocol of the evaluation, and the features.
    """
    settings = Settings(dataset=dataset)
    say(f"{dataset}: {datasets()[dataset].licence}")
    start = time.monotonic()
    start_server(server_of(settings))
    _start_prefect()
    leave_errors_to_the_caller()
    with working("running the pipeline"):
        chosen = dict(config.features)
        pipeline(dataset, config.data, dict(config.options), protocol=config.protocol, **chosen)
    say("")
    show_three_answers(settings)
    say(f"\nDone in {time.monotonic() - start:.0f} s.")
    _say_what_next(settings)


def _start_prefect() -> None:
    """Start Prefect's temporary server, which serves all flows of this process and ends with it."""
    with working("starting Prefect"), get_client(sync_client=True) as client:
        client.hello()


def _say_what_next(settings: Settings) -> None:
    read = f"import json; print(json.load(open({json.dumps(str(settings.token_file))}))['inference']['key'])"
    request = json.dumps({"user_id": most_active_user(served_model(settings)), "k": 5})
    say(
        f"""TorchServe is running; its tokens are in {settings.token_file}. Ask it yourself:
  TOKEN=$(python3 -c {shlex.quote(read)})
  curl -s {settings.torchserve_inference}/predictions/recstack -H "Authorization: Bearer $TOKEN" \\
    -H 'Content-Type: application/json' -d {shlex.quote(request)}
`{sys.argv[0]} ui` shows the runs:
  Prefect  {settings.prefect_page}
  MLflow   {settings.mlflow_page}
`{sys.argv[0]} stop` ends everything."""
    )
